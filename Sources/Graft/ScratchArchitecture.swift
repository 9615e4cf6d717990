import GraftData
import GraftFiles
import GraftGraph
import GraftModels

/// An architecture to train from scratch: without top, with random initial weights.
struct ScratchArchitecture: Sendable {
  let name: String
  let build: @Sendable (_ generator: inout SeededGenerator) throws -> Graph

  private static let all = [
    ScratchArchitecture(name: "vgg16") { try VGG16.randomGraph(using: &$0) },
    ScratchArchitecture(name: "vgg19") { try VGG19.randomGraph(using: &$0) },
    ScratchArchitecture(name: "resnet9") { try ResNet9.randomGraph(using: &$0) },
  ]

  static var names: [String] { all.map(\.name) }

  /// - Throws: `GraftError` that lists the architectures
  static func named(_ name: String) throws -> ScratchArchitecture {
    guard let architecture = all.first(where: { $0.name == name }) else {
      throw GraftError.usage(
        "unknown architecture '\(name)'",
        hint: "Use one of \(names.joined(separator: ", ")), or graft finetune for other networks")
    }
    return architecture
  }
}
