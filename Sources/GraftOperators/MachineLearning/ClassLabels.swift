import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The labels of a classifier's classes.
enum ClassLabels: Sendable {
  case integers([Int64])
  case strings([String])

  /// - Parameters:
  ///   - integers: the attribute with labels that are integers
  ///   - strings: the attribute with labels that are strings
  /// - Throws: `GraftError` unless there is exactly one of them
  init(_ attributes: AttributeReader, integers: String, strings: String) throws {
    let numbers = try attributes.ints(integers) ?? []
    let texts = try attributes.strings(strings) ?? []
    guard numbers.isEmpty != texts.isEmpty else {
      throw GraftError.badData("needs either '\(integers)' or '\(strings)'")
    }
    self = numbers.isEmpty ? .strings(texts) : .integers(numbers.map { Int64($0) })
  }

  var count: Int {
    switch self {
    case .integers(let labels): labels.count
    case .strings(let labels): labels.count
    }
  }

  var elementType: ElementType {
    switch self {
    case .integers: .int64
    case .strings: .string
    }
  }

  /// The labels as a tensor `[count]`.
  func tensor() throws -> Tensor {
    switch self {
    case .integers(let labels): try Tensor(labels, shape: [labels.count])
    case .strings(let labels): try Tensor(strings: labels, shape: [labels.count])
    }
  }
}

extension InferenceContext {
  /// The outputs of a classifier: labels `[N]`, and float scores `[N, scoreCount]`.
  mutating func setClassifierOutputs(
    _ labels: ClassLabels, rows: Dimension, scoreCount: Dimension
  ) {
    setOutput(0, labels.elementType, [rows])
    setOutput(1, .float, [rows, scoreCount])
  }
}

extension PrepareContext {
  /// The kernel of a classifier, of the kernel that writes the numbers of the classes as int64.
  ///
  /// - Parameter numbering: the kernel's phases get the same arguments as this kernel
  func labelling(_ labels: ClassLabels, _ numbering: PreparedKernel) throws -> PreparedKernel {
    guard case .phases(let phases) = numbering.form else { return numbering }
    let rowCount = try output(0).elementCount
    switch labels {
    case .integers(let labels):
      var kernel = numbering
      kernel.form = .phases(
        phases + [
          .parallel(count: rowCount, grain: 1 << 14) { arguments, rows in
            let places = arguments.output(0, as: Int64.self)
            for row in rows { places[row] = labels[Int(places[row])] }
          }
        ])
      return kernel
    case .strings(let labels):
      let outputs = outputs
      let threads = packedConstants.threadCount
      return .growing { inputs, memory in
        try memory.require([rowCount * MemoryLayout<String>.stride])
        let results = try outputs.map { output in
          try output.map {
            try Tensor(
              zeros: $0.elementType == .string ? .int64 : $0.elementType, shape: $0.shape)
          }
        }
        try numbering.run(inputs.map { try $0?.tensor }, results, threads: threads)
        return try zip(results, outputs).map { result, output in
          guard let result, output?.elementType == .string else {
            return result.map { .tensor($0) }
          }
          let numbers: [Int64] = try result.elements()
          return .tensor(try Tensor(strings: numbers.map { labels[Int($0)] }, shape: result.shape))
        }
      }
    }
  }
}

extension PreparedKernel {
  /// Runs phases on tensors, outside of a plan.
  fileprivate func run(_ inputs: [Tensor?], _ outputs: [Tensor?], threads: Int) throws {
    guard case .phases(let phases) = form else { return }
    let stride = try workerScratchStride
    let (workersByteCount, overflow) = stride.multipliedReportingOverflow(by: max(threads, 1))
    let scratch = try Storage.heap(byteCount: scratchByteCount)
    let workerScratch = try Storage.heap(byteCount: overflow ? .max : workersByteCount)
    let inputPointers = inputs.map { $0?.baseAddress }
    let outputPointers = outputs.map { $0?.baseAddress }
    try inputPointers.withUnsafeBufferPointer { inputPointers in
      try outputPointers.withUnsafeBufferPointer { outputPointers in
        let arguments = KernelArguments(
          inputs: inputPointers, outputs: outputPointers, scratch: scratch.baseAddress,
          workerScratchBase: workerScratch.baseAddress, workerScratchStride: stride)
        try ThreadPool.shared.run(
          phases, arguments, threads: threads, flushesSubnormals: flushesSubnormals)
      }
    }
    withExtendedLifetime((inputs, outputs, scratch, workerScratch)) {}
  }
}
