import GraftExecution
import GraftFiles
import GraftTensor

/// The common computation of Dropout and TrainingDropout: y = x mask / (1 - ratio), where mask is
/// false with probability ratio.
struct DropoutKernel {
  let seed: Int
  let stream: Int
  /// The input with the training mode; `nil` if it always drops.
  let trainingInput: Int?
  /// The input with the number of the run; `nil` for 0.
  let stepInput: Int?

  /// Input 0 is the data, input 1 the ratio (1/2 by default); output 0 is y, output 1 the mask.
  func prepared(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    switch input.elementType {
    case .float: return try kernel(context, Float.self)
    case .double: return try kernel(context, Double.self)
    default: return try context.converting([input.elementType], to: .float) { try prepared($0) }
    }
  }

  private func kernel<Element: TensorElement & BinaryFloatingPoint>(
    _ context: PrepareContext, _: Element.Type
  ) throws -> PreparedKernel {
    let wantsMask = context.hasOutput(1)
    let ratioType = context.hasInput(1) ? try context.input(1).elementType : nil
    let (seed, stream, trainingInput, stepInput) = (seed, stream, trainingInput, stepInput)
    return PreparedKernel.parallel(
      count: try context.input(0).elementCount, grain: 16384, inPlaceInputs: [0]
    ) { arguments, range in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      let mask = wantsMask ? arguments.output(1, as: Bool.self) : nil
      if let trainingInput, !arguments.flag(trainingInput) {
        for index in range { y[index] = x[index] }
        if let mask { for index in range { mask[index] = true } }
        return
      }
      let ratio = try arguments.dropoutRatio(1, ratioType)
      let step = stepInput.map { Int(arguments.input($0, as: Int64.self).pointee) } ?? 0
      let random = CounterRandom(seed: seed, stream: stream, step: step)
      let scale = Element(1 / (1 - ratio))
      for index in range {
        let isKept = random.uniform(at: index) >= ratio
        y[index] = isKept ? x[index] * scale : 0
        if let mask { mask[index] = isKept }
      }
    }
  }
}

extension KernelArguments {
  /// The Boolean in a scalar. It is read as a byte, since a file may contain others than 0 and 1.
  func flag(_ index: Int) -> Bool { input(index, as: UInt8.self).pointee != 0 }

  /// The ratio of Dropout in an input of type `type`; 1/2 if that is `nil`.
  ///
  /// - Throws: `GraftError` if it is outside 0...1
  func dropoutRatio(_ index: Int, _ type: ElementType?) throws -> Double {
    guard let type else { return 0.5 }
    var ratio = 0.0
    try ElementConversion.convert(input(index), type, to: &ratio, .double, count: 1)
    guard ratio >= 0, ratio <= 1 else {
      throw GraftError.badData("the ratio of Dropout is \(ratio); expected 0 to 1")
    }
    return ratio
  }
}
