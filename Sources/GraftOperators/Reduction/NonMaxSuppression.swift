import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The boxes with the highest scores that do not overlap too much, for each batch and class.
///
/// Overlap is intersection over union. Boxes with equal scores are ordered by index; those with a
/// score of NaN are excluded.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html>
struct NonMaxSuppression: Operator {
  static let schema = OperatorSchema(
    "NonMaxSuppression", since: [10, 11], sameSince: 10, inputs: 2...5)
  static let isLaborious = true

  /// Whether boxes are given by centre and size, rather than by two corners.
  let usesCenters: Bool

  init(_ attributes: AttributeReader) throws {
    usesCenters = try attributes.flag("center_point_box")
  }

  func infer(_ context: inout InferenceContext) throws {
    for index in [0, 1] { try context.require(index, [.float]) }
    if context.hasInput(2) { try context.require(2, [.int64]) }
    for index in [3, 4] where context.hasInput(index) { try context.require(index, [.float]) }
    context.setOutput(0, .int64, [.unknown, 3])
    let boxes = try context.shape(0)
    let scores = try context.shape(1)
    guard boxes.count == 3, scores.count == 3 else {
      throw GraftError.badData("boxes \(boxes) and scores \(scores) should both have rank 3")
    }
    let pairs = [(boxes[0], scores[0]), (boxes[1], scores[2]), (boxes[2], 4)]
    for case (.known(let left), .known(let right)) in pairs where left != right {
      throw GraftError.badData(
        "boxes \(boxes) and scores \(scores) do not fit: expected [batches, boxes, 4] "
          + "and [batches, classes, boxes]")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let usesCenters = usesCenters
    return .dynamic { inputs in
      func number<Element: TensorElement>(_ index: Int, _: Element.Type) throws -> Element? {
        guard index < inputs.count, let value = inputs[index] else { return nil }
        return try value.tensor.elements(as: Element.self).first
      }
      guard inputs.count >= 2, let boxes = try inputs[0]?.tensor,
        let scores = try inputs[1]?.tensor
      else { throw GraftError.badData("boxes or scores are missing") }
      guard boxes.rank == 3, scores.rank == 3,
        boxes.shape == [scores.shape[0], scores.shape[2], 4]
      else {
        throw GraftError.badData("boxes \(boxes.shape) and scores \(scores.shape) do not fit")
      }
      let selected = try Suppression(
        boxes: try boxes.elements(), scores: try scores.elements(),
        boxCount: boxes.shape[1], usesCenters: usesCenters,
        limit: Int(number(2, Int64.self) ?? 0), overlapThreshold: number(3, Float.self) ?? 0,
        scoreThreshold: number(4, Float.self)
      ).selected(batches: boxes.shape[0], classes: scores.shape[1])
      return [.tensor(try Tensor(selected, shape: [selected.count / 3, 3]))]
    }
  }

  static var examples: [OperatorExample] {
    let boxes = Tensor.floats(
      [
        0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, -0.1, 1, 0.9, 0, 10, 1, 11, 0, 10.1, 1, 11.1, 0, 100, 1, 101,
      ], [1, 6, 4])
    let flipped = Tensor.floats(
      [
        1, 1, 0, 0, 0, 0.1, 1, 1.1, 0, 0.9, 1, -0.1, 0, 10, 1, 11, 1, 10.1, 0, 11.1, 1, 101, 0, 100,
      ], [1, 6, 4])
    let centers = Tensor.floats(
      [
        0.5, 0.5, 1, 1, 0.5, 0.6, 1, 1, 0.5, 0.4, 1, 1, 0.5, 10.5, 1, 1, 0.5, 10.6, 1, 1, 0.5,
        100.5,
        1, 1,
      ], [1, 6, 4])
    let scores = Tensor.floats([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], [1, 1, 6])
    let half = Tensor.floats([0.5], [1])
    return [
      OperatorExample(
        "overlap", inputs: [boxes, scores, .integers([3], [1]), half, .floats([0], [1])],
        outputs: [.integers([0, 0, 3, 0, 0, 0, 0, 0, 5], [3, 3])]),
      OperatorExample(
        "overlap and score",
        inputs: [flipped, scores, .integers([3], [1]), half, .floats([0.4], [1])],
        outputs: [.integers([0, 0, 3, 0, 0, 0], [2, 3])]),
      OperatorExample(
        "centers", attributes: ["center_point_box": .int(1)],
        inputs: [centers, scores, .integers([3], [1]), half, nil],
        outputs: [.integers([0, 0, 3, 0, 0, 0, 0, 0, 5], [3, 3])]),
      OperatorExample(
        "no limit means none", inputs: [boxes, scores], outputs: [.integers([], [0, 3])]),
    ]
  }
}

private struct Suppression {
  /// `[batches, boxCount, 4]`
  let boxes: [Float]
  /// `[batches, classes, boxCount]`
  let scores: [Float]
  let boxCount: Int
  let usesCenters: Bool
  let limit: Int
  let overlapThreshold: Float
  let scoreThreshold: Float?

  /// Triples of batch, class and box.
  func selected(batches: Int, classes: Int) -> [Int64] {
    guard limit > 0 else { return [] }
    var result: [Int64] = []
    for batch in 0..<batches {
      let rectangles = (0..<boxCount).map { rectangle((batch * boxCount + $0) * 4) }
      for category in 0..<classes {
        let start = (batch * classes + category) * boxCount
        for box in selected(among: rectangles, scores: scores[start..<start + boxCount]) {
          result += [Int64(batch), Int64(category), Int64(box)]
        }
      }
    }
    return result
  }

  private func selected(among rectangles: [Rectangle], scores: ArraySlice<Float>) -> [Int] {
    let start = scores.startIndex
    let threshold = scoreThreshold ?? -.infinity
    let candidates = (0..<boxCount).filter {
      let score = scores[start + $0]
      return score > threshold || (scoreThreshold == nil && score == threshold)
    }.sorted {
      let (left, right) = (scores[start + $0], scores[start + $1])
      return left == right ? $0 < $1 : left > right
    }
    var chosen: [Int] = []
    for candidate in candidates {
      guard chosen.count < limit else { break }
      let overlaps = chosen.contains {
        rectangles[candidate].overlap(rectangles[$0]) > overlapThreshold
      }
      if !overlaps { chosen.append(candidate) }
    }
    return chosen
  }

  private func rectangle(_ offset: Int) -> Rectangle {
    let (first, second, third, fourth) =
      (boxes[offset], boxes[offset + 1], boxes[offset + 2], boxes[offset + 3])
    if usesCenters {
      return Rectangle(
        left: first - third / 2, right: first + third / 2, top: second - fourth / 2,
        bottom: second + fourth / 2)
    }
    return Rectangle(
      left: min(second, fourth), right: max(second, fourth), top: min(first, third),
      bottom: max(first, third))
  }
}

private struct Rectangle {
  let left: Float
  let right: Float
  let top: Float
  let bottom: Float

  var area: Float { (right - left) * (bottom - top) }

  /// Intersection over union; 0 if one of them is empty.
  func overlap(_ other: Rectangle) -> Float {
    let width = min(right, other.right) - max(left, other.left)
    let height = min(bottom, other.bottom) - max(top, other.top)
    guard width > 0, height > 0, area > 0, other.area > 0 else { return 0 }
    let intersection = width * height
    let union = area + other.area - intersection
    return union > 0 ? intersection / union : 0
  }
}
