import GraftExecution
import GraftTensor

extension PrepareContext {
  /// A kernel that tests each element of a floating-point input 0 by `test`.
  func testKernel(
    float: @escaping @Sendable (Float) -> Bool, double: @escaping @Sendable (Double) -> Bool
  ) throws -> PreparedKernel {
    let input = try input(0)
    let type = input.elementType
    let blockCount = 1024
    return PreparedKernel.parallel(
      count: input.elementCount, grain: 16384,
      workerScratchByteCount: blockCount * MemoryLayout<Float>.stride
    ) { arguments, range in
      let y = arguments.output(0, as: Bool.self)
      switch type {
      case .float:
        let x = arguments.input(0, as: Float.self)
        for index in range { y[index] = float(x[index]) }
      case .double:
        let x = arguments.input(0, as: Double.self)
        for index in range { y[index] = double(x[index]) }
      default:
        guard let scratch = arguments.workerScratch else { return }
        let block = scratch.assumingMemoryBound(to: Float.self)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
          let count = min(blockCount, range.upperBound - start)
          try ElementConversion.convert(
            arguments.input(0) + start * type.byteWidth, type, to: scratch, .float, count: count)
          for index in 0..<count { y[start + index] = float(block[index]) }
        }
      }
    }
  }
}
