import GraftONNX
import GraftOperators
import Testing

/// Models of other people's making.
@Suite(.enabled(if: TestData.isPresent, "\(TestData.absence)"))
struct ModelFileTests {
  @Test func thereAreModels() {
    #expect(TestData.models.count >= 20)
  }

  @Test(arguments: TestData.models)
  func importsAndValidates(_ path: String) throws {
    let graph = try ONNXImporter().graph(path: path)
    try graph.validate()
    #expect(!graph.nodes.isEmpty)
    #expect(!graph.outputs.isEmpty)
  }
}
