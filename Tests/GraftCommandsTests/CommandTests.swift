import Foundation
import TestSupport
import Testing

extension CommandsTests {
  /// The results of the commands with the built-in network.
  @Suite struct CommandTests {
    private let folder: TemporaryFolder
    private let image: String

    init() throws {
      folder = try TemporaryFolder()
      image = try folder.write("red.bmp", TestImage.bmp(red: 255))
    }

    private func json(_ text: some StringProtocol) throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func inferPrintsOneObjectPerImage() throws {
      let other = try folder.write("blue.bmp", TestImage.bmp(red: 0))
      let run = CommandRun(["infer", image, other, "--json", "--top-k", "3"])
      #expect(run.status == 0, "\(run.transcript)")
      let objects = try run.output.split(separator: "\n").map { try json($0) }
      #expect(objects.map { $0["file"] as? String } == [image, other])
      for object in objects {
        let predictions = try #require(object["predictions"] as? [[String: Any]])
        let probabilities = predictions.compactMap { $0["probability"] as? Double }
        #expect(probabilities.count == 3)
        #expect(probabilities == probabilities.sorted(by: >))
      }
    }

    /// The others are still classified, and the exit code tells.
    @Test func inferGoesOnAfterABadImage() throws {
      let bad = try folder.write("bad.png", text: "nonsense")
      let run = CommandRun(["infer", bad, image, "--json"])
      #expect(run.status == 65)
      #expect(run.errors.contains(bad))
      #expect(run.output.split(separator: "\n").count == 1)
    }

    @Test func convertedModelsAreInspected() throws {
      let path = "\(folder.path)/model.onnx"
      let run = CommandRun(["convert", "cifar10", path])
      #expect(run.status == 0 && run.output.isEmpty, "\(run.transcript)")
      #expect(run.errors.hasPrefix("note: wrote \(path) ("), "\(run.errors)")
      let summary = try json(CommandRun(["inspect", path, "--json"]).output)
      let layers = try #require(summary["layers"] as? [[String: Any]])
      #expect(layers.contains { $0["type"] as? String == "Conv" })
      #expect(CommandRun(["inspect", path, "--dot"]).output.hasPrefix("digraph"))
    }

    @Test func convertLeavesTheOldFileAfterAnError() throws {
      let path = try folder.write("model.onnx", text: "what was there")
      #expect(CommandRun(["convert", "\(folder.path)/nosuch.onnx", path]).status == 66)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "what was there")
      #expect(folder.files == ["model.onnx", "red.bmp"])
    }

    @Test func benchmarkPrintsOneObject() throws {
      let run = CommandRun(["benchmark", "cifar10", "--runs", "2", "--json"])
      #expect(run.status == 0, "\(run.transcript)")
      let report = try json(run.output)
      #expect(
        Set(report.keys).isSuperset(of: ["load_ms", "first_ms", "p50_ms", "images_per_second"]))
    }

    @Test func addedModelsAreListedAndRemoved() throws {
      let path = "\(folder.path)/model.onnx"
      #expect(CommandRun(["convert", "cifar10", path]).status == 0)
      #expect(CommandRun(["models", "add", "commands-test", path]).status == 0)
      #expect(CommandRun("models list").output.contains("commands-test"))
      let place = CommandRun("models path commands-test")
      #expect(place.output.hasSuffix(".onnx\n"), "\(place.transcript)")
      #expect(CommandRun("models remove commands-test").status == 0)
      #expect(CommandRun("models path commands-test").status == 66)
    }
  }
}
