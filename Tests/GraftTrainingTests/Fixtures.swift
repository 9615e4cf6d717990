import Foundation
import GraftData
import GraftTensor
import Testing

/// What Keras and PyTorch answered; `Tests/Fixtures/optimizer_trajectories.py` and, for `blocks`,
/// `Tests/Fixtures/block_gradients.py` say what the arrays are.
struct Fixtures {
  static let optimizers = Fixtures("optimizers")
  static let losses = Fixtures("losses")
  static let schedules = Fixtures("schedules")
  static let earlyStopping = Fixtures("early_stopping")
  static let metrics = Fixtures("metrics")
  static let blocks = Fixtures("blocks")
  /// From `Tests/Fixtures/augmentation_fixtures.py`.
  static let augmentations = Fixtures("augmentations")

  private let tensors: [String: Tensor]

  private init(_ name: String) {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/\(name).npz").path
    let arrays = (try? NPZFile.read(path: path)) ?? []
    tensors = Dictionary(arrays.map { ($0.name, $0.tensor) }) { $1 }
  }

  var names: [String] { tensors.keys.sorted() }

  func tensor(_ name: String) throws -> Tensor { try #require(tensors[name], "no \(name)") }

  /// The elements of an array of any real type.
  func numbers(_ name: String) throws -> [Double] {
    let tensor = try tensor(name)
    switch tensor.elementType {
    case .float: return try tensor.elements(as: Float.self).map(Double.init)
    case .double: return try tensor.elements(as: Double.self)
    default: return try tensor.integers().map(Double.init)
    }
  }

  /// An array as a tensor of floats.
  func floats(_ name: String) throws -> Tensor {
    try Tensor(numbers(name).map { Float($0) }, shape: tensor(name).shape)
  }
}

extension Tensor {
  /// The elements, of whichever floating-point type.
  var doubles: [Double] {
    get throws {
      switch elementType {
      case .double: try elements(as: Double.self)
      case .float16: try elements(as: Float16.self).map { Double($0) }
      default: try elements(as: Float.self).map { Double($0) }
      }
    }
  }
}

/// The largest difference, relative to `max(1, |expected|)`.
func largestDifference(_ values: [Double], _ expected: [Double]) -> Double {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).reduce(0) { largest, pair in
    let difference = abs(pair.0 - pair.1) / max(1, abs(pair.1))
    return difference.isNaN ? .infinity : max(largest, difference)
  }
}
