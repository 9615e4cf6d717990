import Foundation
import GraftData
import GraftTensor
import GraftTraining
import TestSupport
import Testing

@Suite struct CheckpointTests {
  /// Runs that an earlier version began can be resumed.
  @Test func readsEarlierKeys() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/last.npz"
    let record = """
      {"phase": 1, "epoch": 1, "loss": 0.5, "accuracy": 0.25, "learning_rate": 1, "seconds": 2,
      "images_per_second": 64}
      """
    var state = RunState()
    state.imageCount = 12
    state.history = [try JSONDecoder().decode(EpochRecord.self, from: Data(record.utf8))]
    try Checkpoint(state: state, recipe: Recipe(), values: []).write(to: path)

    var values = try NPZFile.read(path: path)
    #expect(values.count == 1)
    let text = String(decoding: try values[0].tensor.elements(as: UInt8.self), as: UTF8.self)
    let earlier = text.replacingOccurrences(of: "imageCount", with: "pictureCount")
      .replacingOccurrences(of: "images_per_second", with: "pictures_per_second")
    try #require(earlier != text)
    values[0].tensor = try Tensor(Array(earlier.utf8), shape: [earlier.utf8.count])
    try NPZFile.write(values.map { ($0.name, $0.tensor) }, path: path)
    #expect(try Checkpoint(path: path).state == state)
  }
}
