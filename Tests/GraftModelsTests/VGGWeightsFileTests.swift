import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftKeras
import GraftModels
import GraftTensor
import TestSupport
import Testing

/// VGG16 from files in the layout of the official ones, which take 600 MB while this runs.
@Suite struct VGGWeightsFileTests {
  @Test(.enabled(if: TestData.isPresent && Python.isPresent, "\(TestData.absence), or no Python"))
  func buildsFromTheOfficialLayout() throws {
    let folder = try TemporaryFolder()
    let script = "\(TestData.folder ?? "")/vgg16/make_weights.py"
    let made = try Python.run([script, folder.path])
    try #require(made.status == 0, "\(made.output)")

    let name = "\(folder.path)/vgg16_weights_tf_dim_ordering_tf_kernels"
    let weights = try KerasWeights.read("\(name).h5")
    let labels = try ModelManifest.labels(named: "imagenet")
    let graph = try VGG16.graph(weights: weights.tensorsByLayer, labels: labels)
    // The dense kernels, nine tenths of all, stay in the mapped file.
    let file = try #require(weights.tensorsByLayer["fc1"]?.first?.storage)
    for layer in ["fc1", "fc2", "predictions"] {
      let kernel = graph.constants.first { graph[$0.key].name == "\(layer)/kernel" }
      #expect(kernel?.value.storage === file)
    }

    let withoutTop = try KerasWeights.read("\(name)_notop.h5").tensorsByLayer
    #expect(try VGG16.graph(weights: withoutTop, includeTop: false).outputs.count == 1)
    let error = #expect(throws: GraftError.self) { try VGG16.graph(weights: withoutTop) }
    #expect(try #require(error).description.contains("'fc1' is missing"))
  }
}
