import Foundation
import Graft
import GraftData
import GraftFiles
import GraftGraph
import GraftONNX
import GraftTensor
import GraftTraining
import TestSupport
import Testing

extension FuzzTests {
  /// Runs that are resumed from damaged checkpoints.
  @Suite(.serialized) final class Checkpoints {
    private let temporaryFolder: TemporaryFolder
    private let folder: String
    private let dataset: ImageDataset
    private let recipe: Recipe
    /// The files of a run that was interrupted in its second phase.
    private let files: [String: Data]

    init() throws {
      temporaryFolder = try TemporaryFolder()
      folder = temporaryFolder.path
      var graph = Graph(name: "trunk")
      let input = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 3, 8, 8]))
      let kernel = (0..<4 * 27).map { Float($0 % 7) * 0.1 - 0.3 }
      let weights = graph.addConstant(name: "conv/kernel", try Tensor(kernel, shape: [4, 3, 3, 3]))
      graph.outputs = [graph.addNode("Conv", [input, weights], outputName: "features")]
      graph.metadata["graft.features"] = "1"
      graph.metadata["graft.preprocessing.name"] = "unit"
      try ONNXExporter().write(graph, to: "\(folder)/trunk.onnx")
      var generator = Generator(kind: 15, case: 0)
      try NPZFile.write(
        [
          (
            "x",
            try Tensor(
              (0..<20 * 192).map { _ in UInt8(generator.below(256)) }, shape: [20, 8, 8, 3])
          ),
          ("y", try Tensor((0..<20).map { UInt8($0 % 2) }, shape: [20])),
        ], path: "\(folder)/images.npz")
      dataset = try ImageDataset.open("\(folder)/images.npz")
      var recipe = Recipe()
      recipe.model = "\(folder)/trunk.onnx"
      recipe.head = "gap,dense(classes)"
      recipe.split = "60,20,20"
      recipe.batchSize = 6
      recipe.earlyStopping = 3
      recipe.phases = [
        Recipe.Phase(unfreeze: "none", epochs: 2, schedule: "reduce_on_plateau(patience=1)"),
        Recipe.Phase(unfreeze: "all", epochs: 3),
      ]
      self.recipe = recipe
      let run = try FineTuningRun(
        recipe, dataset: dataset, folder: "\(folder)/run", observers: [StoppingObserver(after: 7)])
      _ = try run.run()
      var files: [String: Data] = [:]
      for name in try FileManager.default.contentsOfDirectory(atPath: "\(folder)/run") {
        files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/run/\(name)"))
      }
      self.files = files
    }

    /// Resumes the run with another checkpoint, and makes a step or two.
    private func resume(_ checkpoint: Data) throws {
      for (name, bytes) in files {
        let isCheckpoint = name == "last.npz"
        try (isCheckpoint ? checkpoint : bytes).write(
          to: URL(fileURLWithPath: "\(folder)/run/\(name)"))
      }
      var options = FineTuningRun.Options()
      options.resumes = true
      let run = try FineTuningRun(
        recipe, dataset: dataset, folder: "\(folder)/run", observers: [StoppingObserver(after: 2)],
        options: options)
      _ = try run.run()
    }

    /// Stops a run after some steps.
    private final class StoppingObserver: TrainingObserver {
      private let limit: Int
      private var count = 0

      init(after limit: Int) { self.limit = limit }

      var isInterrupted: Bool {
        count += 1
        return count >= limit
      }
    }

    private var seed: Data { files["last.npz"] ?? Data() }

    @Test func bytes() throws {
      try resume(seed)
      let best = [UInt8](files["best.npz"] ?? Data())
      try CaseRunner(name: "checkpoint-bytes", kind: 16, count: 400).run { _, generator in
        try resume(Data(ByteMutation.apply(to: [UInt8](seed), splicing: best, &generator)))
        return true
      }
    }

    /// Numbers of the state, and arrays, that are whole but make no sense.
    @Test func contents() throws {
      let path = "\(folder)/changed.npz"
      let arrays = try NPZFile.read(path: "\(folder)/run/last.npz")
      let index = try #require(arrays.firstIndex { $0.name == "graft.run.json" })
      let text = Data(try arrays[index].tensor.elements(as: UInt8.self))
      try CaseRunner(name: "checkpoint-contents", kind: 17, count: 600).run { _, generator in
        var arrays = arrays
        if generator.oneIn(3) {
          try change(&arrays, except: index, &generator)
        } else {
          var object = try JSONSerialization.jsonObject(with: text)
          for _ in 0...generator.below(2) { object = changed(object, &generator) }
          let bytes = [UInt8](try JSONSerialization.data(withJSONObject: object))
          arrays[index].tensor = try Tensor(bytes, shape: [bytes.count])
        }
        try NPZFile.write(arrays, path: path)
        try resume(Data(contentsOf: URL(fileURLWithPath: path)))
        return true
      }
    }

    private func change(
      _ arrays: inout [(name: String, tensor: Tensor)], except index: Int,
      _ generator: inout Generator
    ) throws {
      let place = generator.below(arrays.count)
      guard place != index else { return }
      let tensor = arrays[place].tensor
      switch generator.below(4) {
      case 0: arrays.remove(at: place)
      case 1: arrays[place].name = arrays[generator.below(arrays.count)].name
      case 2: arrays[place].tensor = try Tensor(zeros: .float, shape: tensor.shape + [2])
      default: arrays[place].tensor = try Tensor(zeros: .int64, shape: tensor.shape)
      }
    }

    /// One value somewhere inside is another.
    private func changed(_ object: Any, _ generator: inout Generator) -> Any {
      switch object {
      case var dictionary as [String: Any] where !dictionary.isEmpty:
        let key = dictionary.keys.sorted()[generator.below(dictionary.count)]
        if generator.oneIn(20) {
          dictionary[key] = nil
        } else {
          dictionary[key] = dictionary[key].map { changed($0, &generator) }
        }
        return dictionary
      case var array as [Any] where !array.isEmpty:
        let place = generator.below(array.count)
        if generator.oneIn(4) {
          array.remove(at: place)
        } else if generator.oneIn(4) {
          array.append(array[place])
        } else {
          array[place] = changed(array[place], &generator)
        }
        return array
      default:
        switch generator.below(6) {
        case 0: return generator.oneIn(2) ? "text" : NSNull()
        case 1: return Double.greatestFiniteMagnitude
        default: return generator.integer()
        }
      }
    }
  }
}
