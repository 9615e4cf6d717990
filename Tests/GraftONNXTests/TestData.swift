import Foundation
import TestSupport

extension TestData {
  /// All ONNX models in the folder, sorted.
  static let models: [String] = {
    guard let folder, let files = FileManager.default.enumerator(atPath: folder + "/onnx") else {
      return []
    }
    return files.compactMap { $0 as? String }.filter { $0.hasSuffix(".onnx") }.sorted()
      .map { "\(folder)/onnx/\($0)" }
  }()
}
