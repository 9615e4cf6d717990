import CGraftKernels
import GraftFiles
import GraftGraph
import GraftTensor

/// Runs one operator on given values, for constant folding, segments with data-dependent shapes,
/// and tests.
///
/// - Parameters:
///   - inputTypes: the types of inputs without elements
///   - memoryLimit: the bytes that the outputs and the scratch memory may use
/// - Returns: an output for each entry of `wantedOutputs`; `nil` where it is false
package func evaluate(
  _ operation: any Operator, inputs: [RuntimeValue?], inputTypes: [ValueType?] = [],
  wantedOutputs: [Bool],
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
    inputTypes: inputs.enumerated().map { index, input in
      input?.staticType(declared: index < inputTypes.count ? inputTypes[index] : nil)
    },
    inputContents: tensors, wantedOutputs: wantedOutputs,
    bodies: (operation as? any BodyOperator)?.bodyInference())
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
    packedConstants: packedConstants,
    bodies: (operation as? any BodyOperator)?.interpretedBodies() ?? [:],
    wantedOutputs: wantedOutputs)
  let kernel = try operation.makeKernel(context)

  switch kernel.form {
  case .dynamic(let body):
    let memory = MemoryBudget(limit: memoryLimit)
    let values = try body(
      zip(inputs, tensors).map { input, tensor in tensor.map { .tensor($0) } ?? input }, memory)
    if !kernel.reservesMemory {
      try memory.require(values.lazy.map { $0?.memoryByteCount ?? 0 })
    }
    return values
  case .control(let control):
    let memory = MemoryBudget(limit: memoryLimit)
    let values = try control.interpret(
      zip(inputs, tensors).map { input, tensor in tensor.map { .tensor($0) } ?? input },
      memory: memory)
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
  /// The static type of this value.
  package var staticType: ValueType { staticType(declared: nil) }

  /// The static type of this value.
  ///
  /// - Parameter declared: a type that tells which elements a value without any could have
  package func staticType(declared: ValueType?) -> ValueType {
    switch self {
    case .tensor(let tensor):
      .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape)))
    case .sequence(let elements):
      .sequence(elements.elementType(declared: declared?.sequenceElement ?? .unknownTensor))
    case .optional(let value):
      .optional(
        value?.staticType(declared: declared?.optionalElement) ?? declared?.optionalElement
          ?? .unknownTensor)
    case .map(let map): map.staticType(declared: declared)
    }
  }
}

extension RuntimeMap {
  /// The type of the keys and of the first value.
  fileprivate func staticType(declared: ValueType?) -> ValueType {
    var value = ValueType.unknownTensor
    if case .map(_, let type)? = declared { value = type }
    if let scalarType {
      value = .tensor(TensorType(scalarType, []))
    } else if let first = try? self.value(at: 0) {
      value = first.staticType(declared: value)
    }
    return .map(key: keys.elementType, value: value)
  }
}

extension RuntimeSequence {
  /// The type of all elements, or `declared` if there are none.
  fileprivate func elementType(declared: ValueType) -> ValueType {
    if let pattern {
      let shape = pattern.shape.map { $0.map { $0.map(Dimension.known) ?? .unknown } }
      return .tensor(TensorType(pattern.elementType, shape))
    }
    guard let first else { return declared }
    return dropFirst().reduce(first.staticType(declared: declared)) { type, element in
      type.joined(with: element.staticType(declared: declared)) ?? type
    }
  }
}

extension ValueType {
  /// The assumed type of what has no type.
  fileprivate static let unknownTensor = ValueType.tensor(TensorType(.float, nil))
}
