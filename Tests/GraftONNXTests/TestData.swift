import Foundation

/// Files that tests read but the project does not hold.
enum TestData {
  /// The folder that `GRAFT_TEST_DATA` names.
  static let folder: String? = ProcessInfo.processInfo.environment["GRAFT_TEST_DATA"]

  static var isPresent: Bool { folder != nil }
  static let absence = "GRAFT_TEST_DATA names no folder with models"

  /// All ONNX models in the folder, sorted.
  static let models: [String] = {
    guard let folder, let files = FileManager.default.enumerator(atPath: folder + "/onnx") else {
      return []
    }
    return files.compactMap { $0 as? String }.filter { $0.hasSuffix(".onnx") }.sorted()
      .map { "\(folder)/onnx/\($0)" }
  }()
}
