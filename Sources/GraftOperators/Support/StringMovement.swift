import GraftExecution
import GraftFiles
import GraftTensor

extension PrepareContext {
  /// For operators that only move elements: `prepare` sees strings as int64 numbers, and the kernel
  /// moves those. The number 0, with which kernels fill, is the empty string.
  func movingStrings(
    _ prepare: (PrepareContext) throws -> PreparedKernel
  ) throws -> PreparedKernel {
    guard inputs.contains(where: { $0?.elementType == .string }) else { return try prepare(self) }
    func numbered(_ description: Description?) -> Description? {
      guard let description, description.elementType == .string else { return description }
      return Description(elementType: .int64, shape: description.shape)
    }
    let inner = try prepare(
      PrepareContext(
        inputs: inputs.map(numbered), outputs: outputs.map(numbered),
        instructionSet: instructionSet, packedConstants: packedConstants))
    guard case .phases(let phases) = inner.form else { return inner }
    let scratchByteCount = inner.scratchByteCount
    return .dynamic { [outputs] values in
      var strings = [""]
      var tensors: [Tensor?] = []
      for value in values {
        guard let tensor = try value?.tensor, tensor.elementType == .string else {
          tensors.append(try value?.tensor)
          continue
        }
        let first = Int64(strings.count)
        strings += tensor.strings
        tensors.append(
          try Tensor(Array(first..<Int64(strings.count)), shape: tensor.shape))
      }
      let results = try outputs.map { output in
        try output.map { output in
          let type = output.elementType == .string ? .int64 : output.elementType
          return try Tensor(zeros: type, shape: output.shape)
        }
      }
      try run(phases, inputs: tensors, outputs: results, scratchByteCount: scratchByteCount)
      return try zip(outputs, results).map { output, result in
        guard let output, let result else { return nil }
        guard output.elementType == .string else { return .tensor(result) }
        let numbers: [Int64] = try result.elements()
        return .tensor(
          try Tensor(strings: numbers.map { strings[Int($0)] }, shape: result.shape))
      }
    }
  }
}

/// Runs phases on tensors, on the calling thread.
private func run(
  _ phases: [PreparedKernel.Phase], inputs: [Tensor?], outputs: [Tensor?], scratchByteCount: Int
) throws {
  let scratch = try Storage.heap(byteCount: scratchByteCount)
  let inputPointers = inputs.map { $0?.baseAddress }
  let outputPointers = outputs.map { $0?.baseAddress }
  try inputPointers.withUnsafeBufferPointer { inputPointers in
    try outputPointers.withUnsafeBufferPointer { outputPointers in
      let arguments = KernelArguments(
        inputs: inputPointers, outputs: outputPointers, scratch: scratch.baseAddress,
        workerScratchBase: nil, workerScratchStride: 0)
      for phase in phases {
        for task in 0..<phase.taskCount { try phase.body(arguments, task) }
      }
    }
  }
  withExtendedLifetime((inputs, outputs, scratch)) {}
}
