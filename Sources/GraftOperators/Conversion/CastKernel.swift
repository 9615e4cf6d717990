import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension NarrowFloat.Rounding {
  /// The attributes `saturate` and `round_mode`.
  init(_ attributes: AttributeReader) throws {
    let mode = try attributes.choice(
      "round_mode", default: NarrowFloat.ScaleRounding.up.rawValue,
      of: NarrowFloat.ScaleRounding.allCases.map(\.rawValue))
    self.init(
      saturates: try attributes.flag("saturate", default: true),
      scale: NarrowFloat.ScaleRounding(rawValue: mode) ?? .up)
  }
}

extension InferenceContext {
  /// Output 0 is input 0 with elements of type `target`.
  mutating func inferCast(to target: ElementType) throws {
    let input = try input(0)
    for type in [input.elementType, target] where type.isComplex {
      throw GraftError.badData("element type \(type) cannot be cast")
    }
    setOutput(0, target, input.shape)
  }
}

extension PrepareContext {
  /// A kernel that converts input 0 to the type of output 0.
  func castKernel(_ rounding: NarrowFloat.Rounding) throws -> PreparedKernel {
    let input = try input(0)
    let source = input.elementType
    let target = try output(0).elementType
    if source == target { return .alias(input: 0) }
    if source == .string {
      return .dynamic { inputs in
        guard let tensor = try inputs.first??.tensor else { return [nil] }
        return [.tensor(try tensor.parsed(as: target, rounding))]
      }
    }
    if target == .string {
      return .dynamic { inputs in
        guard let tensor = try inputs.first??.tensor else { return [nil] }
        return [.tensor(try tensor.formatted())]
      }
    }
    return PreparedKernel.parallel(count: input.elementCount, grain: 16384) { arguments, range in
      try ElementConversion.convert(
        arguments.input(0) + range.lowerBound * source.byteWidth, source,
        to: arguments.output(0) + range.lowerBound * target.byteWidth, target,
        count: range.count, rounding: rounding)
    }
  }
}

extension GradientBuilder {
  /// The gradient is cast back; none flows through types that are not floating point.
  mutating func setCastGradient(to target: ElementType) throws {
    let input = try input(0)
    let source = type(of: input)?.elementType ?? .float
    guard source.isFloatingPoint, target.isFloatingPoint else { return }
    setInputGradient(0, add("CastLike", [try outputGradient(), input]))
  }
}
