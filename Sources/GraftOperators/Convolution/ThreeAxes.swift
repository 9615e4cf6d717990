import GraftFiles
import GraftGraph
import GraftTensor

/// A value for each of the kernels' three spatial axes.
struct ThreeAxes<Value: Sendable>: Sendable {
  var depth: Value
  var height: Value
  var width: Value

  init(_ depth: Value, _ height: Value, _ width: Value) {
    self.depth = depth
    self.height = height
    self.width = width
  }

  func map<Result>(_ transform: (Value) throws -> Result) rethrows -> ThreeAxes<Result> {
    ThreeAxes<Result>(try transform(depth), try transform(height), try transform(width))
  }

  /// Whether `predicate` holds for all axes.
  func allSatisfy(_ predicate: (Value) throws -> Bool) rethrows -> Bool {
    try predicate(depth) && predicate(height) && predicate(width)
  }
}

extension ThreeAxes: Equatable where Value: Equatable {}

extension ThreeAxes where Value == Int {
  var product: Int { depth * height * width }

  /// The spatial extents of a shape, preceded by axes of extent 1.
  ///
  /// - Throws: `GraftError` if there are more than three.
  init(spatialAxesOf shape: Shape) throws {
    let rank = shape.count - 2
    guard rank <= 3 else {
      throw GraftError.unsupported(
        "convolution of \(rank) spatial axes; there are kernels for 1 to 3")
    }
    func extent(_ axisFromBehind: Int) -> Int {
      axisFromBehind <= rank ? shape[shape.count - axisFromBehind] : 1
    }
    self.init(extent(3), extent(2), extent(1))
  }
}
