import SwiftProtobuf
import TestSupport
import Testing

/// All hostile files; one kind after the other, so that time and memory are those of one.
@Suite(.serialized) enum FuzzTests {}

extension FuzzTests {
  /// Damaged models: read, checked, optimized and run, or refused with a `GraftError`.
  @Suite(.serialized) struct Models {
    static let operators = Result { try SeedModel.operators() }
    static let files = Result { try SeedModel.files() }

    @Test func seedsAreWhole() throws {
      var generator = Generator(kind: 0, case: 0)
      for seed in try Self.operators.get() {
        #expect(throws: Never.self, "\(seed.name)") {
          let ran = try ModelTrial.run(
            try seed.bytes(), like: seed.inputs, isExact: true, &generator)
          #expect(ran)
        }
      }
    }

    /// One operator each, with changed attributes, shapes, types, constants, neighbours and
    /// versions.
    @Test func changedFieldsOfOperators() throws {
      let seeds = try Self.operators.get()
      let mutation = ModelMutation(donors: seeds)
      try CaseRunner(name: "operator-fields", kind: 1, count: 12_000).run { number, generator in
        let seed = seeds[number % seeds.count]
        var model = seed.model
        mutation.apply(to: &model, &generator)
        return try ModelTrial.run(
          try model.serializedBytes(), like: seed.inputs, &generator)
      }
    }

    @Test func changedBytesOfOperators() throws {
      let seeds = try Self.operators.get()
      try CaseRunner(name: "operator-bytes", kind: 2, count: 4_000).run { number, generator in
        let seed = seeds[number % seeds.count]
        let bytes = ByteMutation.apply(
          to: try seed.bytes(), splicing: try seeds[(number / 3) % seeds.count].bytes(),
          &generator)
        return try ModelTrial.run(bytes, like: seed.inputs, &generator)
      }
    }

    @Test func changedFieldsOfFiles() throws {
      let seeds = try Self.files.get()
      guard !seeds.isEmpty else { return }
      let mutation = ModelMutation(donors: try Self.operators.get())
      try CaseRunner(name: "file-fields", kind: 3, count: 1_000).run { number, generator in
        let seed = seeds[number % seeds.count]
        var model = seed.model
        mutation.apply(to: &model, &generator)
        return try ModelTrial.run(
          try model.serializedBytes(), folder: seed.folder, &generator)
      }
    }

    @Test func changedBytesOfFiles() throws {
      let seeds = try Self.files.get()
      guard !seeds.isEmpty else { return }
      let bytes = try seeds.map { try $0.bytes() }
      try CaseRunner(name: "file-bytes", kind: 4, count: 1_000).run { number, generator in
        let index = number % seeds.count
        let damaged = ByteMutation.apply(
          to: bytes[index], splicing: bytes[(index + 1) % seeds.count], &generator)
        return try ModelTrial.run(damaged, folder: seeds[index].folder, &generator)
      }
    }
  }
}
