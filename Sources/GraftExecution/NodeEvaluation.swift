import CGraftKernels
import GraftFiles
import GraftGraph
import GraftTensor

/// Runs one operator on given values, for constant folding, segments with data-dependent shapes,
/// and tests.
///
/// - Parameter memoryLimit: the bytes that the outputs and the scratch memory may use
/// - Returns: an output for each entry of `wantedOutputs`; `nil` where it is false
package func evaluate(
  _ operation: any Operator, inputs: [RuntimeValue?], wantedOutputs: [Bool],
  instructionSet: InstructionSet = .current, precision: Precision = .float,
  bfloat16Instructions: BFloat16Instructions = .detected, vnni: VNNIInstructions = .detected,
  tuning: TuningRecord = TuningRecord(),
  packedConstants: PackedConstants = PackedConstants(),
  treatInputsAsConstant: Bool = false, threads: Int = 1, pool: ThreadPool = .shared,
  memoryLimit: Int = .max
) throws -> [RuntimeValue?] {
  let state = graft_cpu_set_arithmetic(0)
  defer { graft_cpu_restore_state(state) }
  // Values other than tensors are typed by the operators that use them.
  var tensors: [Tensor?] = []
  for input in inputs {
    if case .tensor(let tensor) = input {
      let mustCopy = !tensor.isAligned && !type(of: operation).acceptsUnalignedInputs
      tensors.append(mustCopy ? try tensor.copied() : tensor)
    } else {
      tensors.append(nil)
    }
  }
  var inference = InferenceContext(
    inputTypes: zip(inputs, tensors).map { input, tensor in
      tensor.map { .tensor(TensorType($0.elementType, [Dimension]($0.shape))) }
        ?? input.map(\.staticType)
    },
    inputContents: tensors, wantedOutputs: wantedOutputs)
  try operation.inferTypes(&inference)
  let outputByteCount = try inference.outputByteCount()
  try requireMemory([outputByteCount], limit: memoryLimit)

  let context = PrepareContext(
    inputs: tensors.map { tensor in
      tensor.map {
        PrepareContext.Description(
          elementType: $0.elementType, shape: $0.shape,
          constant: treatInputsAsConstant || $0.byteCount <= 4096 ? $0 : nil)
      }
    },
    outputs: zip(inference.outputTypes, wantedOutputs).map { type, isWanted in
      guard isWanted, let type = type?.tensor, let shape = type.shape?.knownShape else {
        return nil
      }
      return PrepareContext.Description(elementType: type.elementType, shape: shape)
    },
    instructionSet: instructionSet, precision: precision,
    bfloat16Instructions: bfloat16Instructions, vnni: vnni, tuning: tuning,
    packedConstants: packedConstants)
  let kernel = try operation.makeKernel(context)

  switch kernel.form {
  case .dynamic(let body):
    let memory = MemoryBudget(limit: memoryLimit)
    let values = try body(
      zip(inputs, tensors).map { input, tensor in tensor.map { .tensor($0) } ?? input }, memory)
    try memory.require(values.lazy.map { $0?.memoryByteCount ?? 0 })
    return values
  case .alias(let input):
    guard let source = tensors[input], let shape = context.outputs[0]?.shape else { return [nil] }
    return [.tensor(try source.reshaped(shape))]
  case .phases(let phases):
    let stride = try kernel.workerScratchStride
    let (workersByteCount, overflow) = stride.multipliedReportingOverflow(by: max(threads, 1))
    try requireMemory(
      [outputByteCount, kernel.scratchByteCount, overflow ? .max : workersByteCount],
      limit: memoryLimit)
    let outputs = try context.outputs.map { description in
      try description.map { try Tensor(zeros: $0.elementType, shape: $0.shape) }
    }
    let scratch = try Storage.heap(byteCount: kernel.scratchByteCount)
    let workerScratch = try Storage.heap(byteCount: workersByteCount)
    let inputPointers = tensors.map { $0?.baseAddress }
    let outputPointers = outputs.map { $0?.baseAddress }
    try inputPointers.withUnsafeBufferPointer { inputPointers in
      try outputPointers.withUnsafeBufferPointer { outputPointers in
        let arguments = KernelArguments(
          inputs: inputPointers, outputs: outputPointers,
          scratch: scratch.baseAddress, workerScratchBase: workerScratch.baseAddress,
          workerScratchStride: stride)
        try pool.run(
          phases, arguments, threads: threads, flushesSubnormals: kernel.flushesSubnormals)
      }
    }
    withExtendedLifetime((tensors, scratch, workerScratch)) {}
    return outputs.map { $0.map { .tensor($0) } }
  }
}

extension RuntimeValue {
  /// The memory of the value in bytes.
  package var memoryByteCount: Int {
    switch self {
    case .tensor(let tensor):
      tensor.strings.reduce(tensor.byteCount) {
        $0 + MemoryLayout<String>.stride + $1.utf8.count
      }
    case .sequence(let elements): elements.reduce(0) { $0 + $1.memoryByteCount }
    case .optional(let value): value?.memoryByteCount ?? 0
    }
  }

  /// The static type of this value.
  package var staticType: ValueType {
    switch self {
    case .tensor(let tensor):
      .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape)))
    case .sequence(let elements):
      .sequence(elements.first?.staticType ?? .tensor(TensorType(.float, nil)))
    case .optional(let value):
      .optional(value?.staticType ?? .tensor(TensorType(.float, nil)))
    }
  }
}
