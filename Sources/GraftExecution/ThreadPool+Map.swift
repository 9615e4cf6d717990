extension ThreadPool {
  /// The results of `transform` for `0 ..< count`, computed on at most `threads` threads.
  ///
  /// - Throws: the error of the failing call with the lowest number
  package func map<Result: BitwiseCopyable & Sendable>(
    _ count: Int, threads: Int, _ transform: @escaping @Sendable (Int) throws -> Result
  ) throws -> [Result] {
    try [Result](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      nonisolated(unsafe) let results = buffer
      let phase = PreparedKernel.Phase(taskCount: count) { _, task in
        results.initializeElement(at: task, to: try transform(task))
      }
      try run([phase], .none, threads: threads)
      initializedCount = count
    }
  }
}

extension KernelArguments {
  /// For work without operands.
  package static var none: KernelArguments {
    KernelArguments(
      inputs: UnsafeBufferPointer(start: nil, count: 0),
      outputs: UnsafeBufferPointer(start: nil, count: 0), scratch: nil, workerScratchBase: nil,
      workerScratchStride: 0)
  }
}
