import Foundation
import GraftTraining
import Testing

@Suite struct EarlyStoppingTests {
  /// The epoch after which a phase stops, and the one whose weights it takes.
  @Test func stopsWhereKerasDoes() throws {
    let losses = try Fixtures.earlyStopping.numbers("losses")
    let patience = try Fixtures.earlyStopping.numbers("patience")
    let best = try Fixtures.earlyStopping.numbers("best")
    let stopped = try Fixtures.earlyStopping.numbers("stopped")
    #expect(stopped.filter { $0 < 29 }.count > 10)
    for row in patience.indices {
      var records: [EpochRecord] = []
      for epoch in 0..<30 {
        let loss = losses[row * 30 + epoch]
        // The validation loss counts, not the training loss.
        let text = """
          {"phase": 1, "epoch": \(epoch + 1), "loss": \(-epoch), "accuracy": 0, "val_loss": \(loss),
          "learning_rate": 1, "seconds": 1, "images_per_second": 1}
          """
        records.append(try JSONDecoder().decode(EpochRecord.self, from: Data(text.utf8)))
        if Double(records.epochsWithoutBetter) >= patience[row] { break }
      }
      #expect(records.count - 1 == Int(stopped[row]), "row \(row)")
      #expect(records.bestIndex == Int(best[row]), "row \(row)")
    }
  }
}
