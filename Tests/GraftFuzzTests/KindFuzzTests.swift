import SwiftProtobuf
import TestSupport
import Testing

extension FuzzTests {
  /// Damaged models of one family of operators after the other, alone and inside of bodies.
  @Suite(.serialized) struct Kinds {
    @Test(arguments: SeedKind.all) func seedsAreWhole(kind: SeedKind) throws {
      var generator = Generator(kind: 0, case: 0)
      let seeds = try kind.seeds()
      #expect(seeds.count >= 10)
      for seed in seeds {
        #expect(throws: Never.self, "\(seed.name)") {
          let ran = try ModelTrial.run(
            try seed.bytes(), like: seed.inputs, isExact: true, &generator)
          #expect(ran, "\(seed.name)")
        }
      }
    }

    @Test(arguments: SeedKind.all) func damagedModels(kind: SeedKind) throws {
      let seeds = try kind.seeds()
      let mutation = ModelMutation(donors: seeds)
      try CaseRunner(name: kind.name, kind: kind.number, count: 500).run { number, generator in
        let seed = seeds[generator.below(seeds.count)]
        // Bytes in one file of four, fields in the others.
        if number % 4 == 3 {
          let other = try seeds[generator.below(seeds.count)].bytes()
          let bytes = ByteMutation.apply(to: try seed.bytes(), splicing: other, &generator)
          return try ModelTrial.run(bytes, like: seed.inputs, &generator)
        }
        var model = seed.model
        mutation.apply(to: &model, &generator)
        return try ModelTrial.run(try model.serializedBytes(), like: seed.inputs, &generator)
      }
    }
  }
}
