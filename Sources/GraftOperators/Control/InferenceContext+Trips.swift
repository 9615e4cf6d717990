import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension InferenceContext {
  /// Widens the types of values that a loop carries, until they hold for every trip of its body.
  ///
  /// - Parameters:
  ///   - carried: the types before the first trip; `nil` for an unknown one
  ///   - firstOutput: the body's output that is the first carried value
  ///   - contents: the known contents of the body's first inputs
  ///   - inputs: the types of the body's inputs for those of carried values
  /// - Returns: what the body computes from the widened types
  /// - Throws: `GraftError` if the body is invalid, or changes the element type of a value
  func inferTrips(
    _ attribute: String, of carried: inout [ValueType?], firstOutput: Int, contents: [Tensor?] = [],
    inputs: ([ValueType?]) -> [ValueType?]
  ) throws -> [BodyValue] {
    if isDeepInBodies { carried = carried.map { $0?.withoutShape } }
    var attempt = 0
    while true {
      let values = try inferBody(attribute, inputs(carried), contents: contents)
      var next = carried
      for index in carried.indices {
        guard let old = carried[index], let new = values[firstOutput + index].type else {
          next[index] = nil
          continue
        }
        guard let common = old.generalized(with: new) else {
          throw GraftError.badData(
            "carried value \(index) is \(old), and \(new) after a trip of the body")
        }
        next[index] = attempt >= 2 ? common.withoutShape : common
      }
      // Nothing is wider than a type without a shape.
      if next == carried || isDeepInBodies || attempt >= 4 { return values }
      carried = next
      attempt += 1
    }
  }
}
