import GraftData
import GraftFiles
import GraftGraph
import GraftModels

/// An architecture that can be trained from scratch: without top, with random first weights.
struct ScratchArchitecture: Sendable {
  let name: String
  let build: @Sendable (_ generator: inout SeededGenerator) throws -> Graph

  private static let all = [
    ScratchArchitecture(name: "vgg16") { try VGG16.randomGraph(using: &$0) },
    ScratchArchitecture(name: "vgg19") { try VGG19.randomGraph(using: &$0) },
    ScratchArchitecture(name: "resnet9") { try ResNet9.randomGraph(using: &$0) },
  ]

  /// - Throws: `GraftError` that names those there are.
  static func named(_ name: String) throws -> ScratchArchitecture {
    guard let architecture = all.first(where: { $0.name == name }) else {
      throw GraftError.usage(
        "no architecture is called '\(name)'",
        hint: "From scratch Graft can train \(all.map(\.name).joined(separator: ", "))")
    }
    return architecture
  }
}
