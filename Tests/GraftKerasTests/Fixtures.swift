import Foundation
import GraftTensor

/// The files that `Tests/Fixtures/keras_weights.py` wrote.
enum Fixtures {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures").path

  static func path(_ name: String) -> String { "\(folder)/\(name)" }

  static let shapes: [Shape] = [[3, 3, 3, 2], [2], [8, 4], [4]]

  /// The value of the n-th weight of all of them.
  static func values(_ index: Int) -> [Double] {
    (0..<shapes[index].elementCount).map { Double(index) + Double($0) / 8 }
  }
}

extension Tensor {
  /// The elements, of whichever floating-point type.
  var doubles: [Double] {
    get throws {
      switch elementType {
      case .float16: try elements(as: Float16.self).map { Double($0) }
      case .float: try elements(as: Float.self).map { Double($0) }
      default: try elements(as: Double.self)
      }
    }
  }
}
