import GraftGraph
import GraftKeras
import GraftModels
import GraftTensor

/// An architecture that Graft builds from a weight file.
struct KnownArchitecture: Sendable {
  let name: String
  /// A layer that only this architecture has, and one that only the full network has.
  let tellingLayers: Set<String>
  let absentLayers: Set<String>
  let topLayer: String
  let build: @Sendable (_ weights: [String: [Tensor]], _ includeTop: Bool) throws -> Graph
  /// The inverse: the weights of each layer in Keras's layout.
  let kerasWeights:
    @Sendable (_ graph: Graph, _ includeTop: Bool) throws -> [(
      layer: String, kernel: Tensor, bias: Tensor
    )]

  private static let all = [
    KnownArchitecture(
      name: "vgg16", tellingLayers: ["block5_conv3"], absentLayers: ["block5_conv4"],
      topLayer: "predictions",
      build: { try VGG16.graph(weights: $0, includeTop: $1, labels: $1 ? imageNetLabels() : nil) },
      kerasWeights: { try VGG16.weights(of: $0, includeTop: $1) }),
    KnownArchitecture(
      name: "vgg19", tellingLayers: ["block5_conv4"], absentLayers: [],
      topLayer: "predictions",
      build: { try VGG19.graph(weights: $0, includeTop: $1, labels: $1 ? imageNetLabels() : nil) },
      kerasWeights: { try VGG19.weights(of: $0, includeTop: $1) }),
  ]

  private static func imageNetLabels() throws -> [String] {
    try ModelManifest.labels(named: "imagenet")
  }

  static var names: [String] { all.map(\.name) }

  static func named(_ name: String) -> KnownArchitecture? { all.first { $0.name == name } }

  /// The architecture whose layers a weight file has.
  static func matching(_ weights: KerasWeights) -> KnownArchitecture? {
    matching(layers: Set(weights.tensorsByLayer.keys))
  }

  /// The architecture that has layers with these names.
  static func matching(layers: Set<String>) -> KnownArchitecture? {
    all.first {
      $0.tellingLayers.isSubset(of: layers) && $0.absentLayers.isDisjoint(with: layers)
    }
  }

  func hasTop(_ weights: KerasWeights) -> Bool { weights.tensorsByLayer[topLayer] != nil }

  func graph(_ weights: KerasWeights, includeTop: Bool) throws -> Graph {
    try build(weights.tensorsByLayer, includeTop)
  }
}
