import Foundation
import GraftFiles
import GraftGraph
import GraftTensor
import Testing

/// Softmax along the last axis and along others, in all instruction sets, against double precision.
@Suite struct SoftmaxAccuracyTests {
  static let shapes: [Shape] = [
    [1, 1, 1], [5, 1, 1], [3, 17, 1], [9, 33, 1], [2, 197, 1], [1, 5000, 1], [7, 70, 1],
    [1, 21, 35], [2, 3, 16], [1, 300, 7],
  ]

  @Test(arguments: shapes)
  func softmaxAndItsLogarithm(_ shape: Shape) throws {
    let (length, stride) = (shape[1], shape[2])
    let input = try Tensor(
      NodeTesting.numbers(shape, seed: length).elements(as: Float.self).map { 20 * $0 },
      shape: shape)
    let elements = try input.elements(as: Float.self).map(Double.init)
    for set in NodeTesting.instructionSets {
      let attributes: [ByteString: Attribute] = ["axis": .int(1)]
      let shares = try NodeTesting.run("Softmax", [input], attributes: attributes, set)
        .elements(as: Float.self)
      let logarithms = try NodeTesting.run("LogSoftmax", [input], attributes: attributes, set)
        .elements(as: Float.self)
      for column in 0..<shape[0] * stride {
        let start = column / stride * length * stride + column % stride
        let places = (0..<length).map { start + $0 * stride }
        let largest = places.map { elements[$0] }.max() ?? 0
        let sum = places.reduce(0) { $0 + exp(elements[$1] - largest) }
        for place in places {
          let difference = elements[place] - largest
          let expected = exp(difference) / sum
          // The difference is rounded to float, which the exponential sees as a relative error.
          let bound = 1e-6 + 6e-8 * abs(difference)
          #expect(abs(Double(shares[place]) - expected) <= bound * expected, "\(shape) \(set)")
          let logarithm = difference - log(sum)
          #expect(
            abs(Double(logarithms[place]) - logarithm) <= 1e-5, "\(shape) \(set), logarithm")
        }
      }
    }
  }

  /// Probabilities down to the smallest number that there is.
  @Test func smallProbabilitiesAreKept() throws {
    let elements = (0..<221).map { Float($0) * -0.5 }
    let sum = elements.reduce(0) { $0 + exp(Double($1)) }
    for (shape, axis) in [([1, 221], 1), ([221, 1], 0)] as [(Shape, Int)] {
      let input = try Tensor(elements, shape: shape)
      for set in NodeTesting.instructionSets {
        let shares = try NodeTesting.run("Softmax", [input], attributes: ["axis": .int(axis)], set)
          .elements(as: Float.self)
        for (share, element) in zip(shares, elements) {
          let expected = exp(Double(element)) / sum
          let bound = 1e-5 * expected + 1.5 * Double(Float.leastNonzeroMagnitude)
          #expect(abs(Double(share) - expected) <= bound, "\(element) \(set)")
        }
      }
    }
  }

  @Test(arguments: ["Softmax", "LogSoftmax"])
  func notANumberMakesAllOfItsRowNaN(_ name: String) throws {
    for length in [1, 3, 16, 37, 100] {
      for (shape, axis) in [([6, length], 1), ([length, 6], 0)] {
        var elements = try NodeTesting.numbers(shape, seed: length).elements(as: Float.self)
        let place = length / 2
        elements[axis == 1 ? 4 * length + place : place * 6 + 4] = .nan
        let input = try Tensor(elements, shape: shape)
        for set in NodeTesting.instructionSets {
          let results = try NodeTesting.run(name, [input], attributes: ["axis": .int(axis)], set)
            .elements(as: Float.self)
          for index in results.indices {
            let isOfRow = (axis == 1 ? index / length : index % 6) == 4
            #expect(results[index].isNaN == isOfRow, "\(name) \(shape) \(set)")
          }
        }
      }
    }
  }
}
