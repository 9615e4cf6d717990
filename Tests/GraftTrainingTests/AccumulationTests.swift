import GraftGraph
import GraftRuntime
import GraftTensor
import GraftTraining
import Testing

/// Groups of steps whose gradients are averaged.
@Suite struct AccumulationTests {
  @Test func groupsEndWithTheirEpoch() throws {
    // 5 steps an epoch, the last one of 2 samples.
    let groups = try AccumulationGroups(of: 2, sampleCount: 34, batchSize: 8)
    let positions = (1...10).map { groups.position(ofStep: $0) }
    #expect(positions.enumerated().filter(\.element.isFirst).map(\.offset) == [0, 2, 4, 5, 7, 9])
    #expect(positions.enumerated().filter(\.element.isLast).map(\.offset) == [1, 3, 4, 6, 8, 9])
    #expect(positions.map(\.group) == [1, 1, 2, 2, 3, 4, 4, 5, 5, 6])
    #expect(positions.map(\.weight) == [1, 1, 1, 1, 0.25, 1, 1, 1, 1, 0.25])
    #expect(positions.map(\.totalWeight) == [2, 2, 2, 2, 0.25, 2, 2, 2, 2, 0.25])
  }

  @Test func groupsLongerThanAnEpochAreEpochs() throws {
    let groups = try AccumulationGroups(of: 65536, sampleCount: 20, batchSize: 8)
    let positions = (1...6).map { groups.position(ofStep: $0) }
    #expect(positions.map(\.isLast) == [false, false, true, false, false, true])
    #expect(positions.map(\.totalWeight) == [2.5, 2.5, 2.5, 2.5, 2.5, 2.5])
    #expect(positions.map(\.group) == [1, 1, 1, 2, 2, 2])
  }

  /// Each sample counts the same: batches of 3, 3 and 2 train as one of 8 does.
  @Test func samplesCountTheSame() throws {
    let graph = try Network.graph()
    var settings = Trainer.Settings(
      loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("adam"))
    let whole = try Trainer(graph, settings: settings)
    settings.accumulation = try AccumulationGroups(of: 4, sampleCount: 8, batchSize: 3)
    let parts = try Trainer(graph, settings: settings)
    for epoch in 0..<4 {
      let (x, labels) = try Network.batch(seed: UInt64(epoch))
      let images = Array(try x.elements(as: Float.self).prefix(160))
      let classes = Array(try labels.elements(as: Int64.self).prefix(8))
      _ = try whole.step(
        inputs: [try Tensor(images, shape: [8, 20])], targets: try Tensor(classes, shape: [8]),
        learningRate: 0.01, step: epoch + 1)
      for (index, rows) in [0..<3, 3..<6, 6..<8].enumerated() {
        _ = try parts.step(
          inputs: [
            try Tensor(
              Array(images[rows.lowerBound * 20..<rows.upperBound * 20]), shape: [rows.count, 20])
          ],
          targets: try Tensor(Array(classes[rows]), shape: [rows.count]), learningRate: 0.01,
          step: 3 * epoch + index + 1)
      }
    }
    for id in graph.parameters.keys {
      let expected = try #require(whole.parameters.tensor(id)).doubles
      let found = try #require(parts.parameters.tensor(id)).doubles
      #expect(largestDifference(found, expected) < 1e-5)
      let before = try #require(graph.parameters[id]).doubles
      #expect(expected != before)
    }
  }
}
