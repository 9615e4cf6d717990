import Foundation
import GraftFiles
import GraftTraining
import TestSupport
import Testing

/// Recipes as YAML that is odd, broken or hostile.
@Suite struct YAMLTests {
  @Test(
    arguments: [
      ("model: [1", "line 2, column 1"), ("model: a: b", "line 1, column 9"),
      ("seed: 1\nseed: 2", "line 2, column 1: invalid YAML: duplicate property 'seed'"),
      ("model: *other", "line 1, column 8: invalid YAML: unknown alias '*other'"),
      ("[1]: 2\n", "line 1, column 1"),
      ("seed: 1\n---\nseed: 2", "line 2, column 1: invalid YAML: there is more than one"),
      ("seed: 1\n\u{1}", "line 2: invalid YAML: control characters"),
      (String(repeating: "[", count: 100), "nested more than 64 deep"),
      (YAMLTests.bomb, "more than 100000 values"),
      ("seed: -1", "line 1: invalid value '-1' for 'seed'. Use a whole number from 0 to 1844674"),
      (
        "seed: '1'",
        "invalid value '1' for 'seed'. Use a whole number from 0 to 18446744073709551615"
      ),
      ("seed: '1'", ", without quotes"), ("seed: 1.5", "'1.5'"), ("seed: 0x-5", "'0x-5'"),
      ("seed: 0b101", "'0b101'"), ("seed: 1_000", "'1_000'"), ("seed: 0o8", "'0o8'"),
      ("shuffle: 'true'", "Use true or false, without quotes"),
      ("shuffle: no", "Use true or false"),
      ("shuffle: on", "invalid value 'on' for 'shuffle'"),
      ("head: [a]", "line 1: invalid value for 'head'. Use one text, not a list"),
      ("phases: 3", "'phases' must be a list"), ("phases: [3]", "phase 1 has no properties"),
      ("phases: [{learning_rate: fast}]", "invalid value 'fast' for 'learning_rate'"),
      ("phases: [{learning_rate: 1_0}]", "invalid value '1_0'"), ("", "is not a recipe"),
      ("seed: 1\nfoo:", "line 2: unknown property 'foo'"), ("foo: ~", "unknown property 'foo'"),
      ("phases: [{epoch: null}]", "unknown property 'epoch'. Did you mean 'epochs'?"),
      ("phases: [~]", "phase 1 has no properties"), ("~", "is not a recipe"),
      ("head: [~]", "invalid value for 'head'"),
      ("seed: 1\n<<: 5", "line 2, column 1: invalid YAML: '<<' merges a mapping such as '*name'"),
      ("<<:", "'<<' merges a mapping"), ("<<: [{seed: 1}, 2]", "'<<' merges a mapping"),
      ("phases:\n- <<: fast", "line 2, column 3: invalid YAML: '<<' merges a mapping"),
    ])
  func faultsAreNamed(_ yaml: String, part: String) {
    expectError(.badData, part) { try Recipe(yaml: yaml) }
  }

  /// A few lines that expand to a million values.
  private static let bomb = (0..<6).map { level in
    let name = "a\(level)"
    let element = level == 0 ? "x" : "*a\(level - 1)"
    return "\(name): &\(name) [\(Array(repeating: element, count: 10).joined(separator: ","))]\n"
  }.joined()

  @Test func aliasesStandForValues() throws {
    let recipe = try Recipe(
      yaml: """
        model: &name vgg19
        cut: *name
        phases:
        - &first {epochs: 2, learning_rate: 0.5}
        - {<<: *first, epochs: 3}
        """)
    #expect(recipe.model == "vgg19" && recipe.cut == "vgg19")
    #expect(recipe.phases.map(\.epochs) == [2, 3])
    #expect(recipe.phases.map(\.learningRate) == [0.5, 0.5])
  }

  @Test func numbersAndWordsHaveManyForms() throws {
    for (text, seed) in [("0x1F", 31), ("0o17", 15), ("010", 10), ("099", 99), ("+5", 5)] {
      #expect(try Recipe(yaml: "seed: \(text)").seed == UInt64(seed))
    }
    #expect(try Recipe(yaml: "shuffle: False").shuffle == false)
    #expect(try Recipe(yaml: "shuffle: TRUE").shuffle == true)
    for (text, rate) in [("1", 1), ("0.5", 0.5), (".5", 0.5), ("5.", 5), ("+1e-3", 1e-3)] {
      #expect(
        try Recipe(yaml: "phases: [{learning_rate: \(text)}]").phases[0].learningRate == rate)
    }
    #expect(try Recipe(yaml: "phases: [{learning_rate: 1E-3}]").phases[0].learningRate == 1e-3)
    for nothing in ["", "~", "null", "NULL"] {
      #expect(try Recipe(yaml: "weights: \(nothing)").weights == nil)
    }
    #expect(try Recipe(yaml: "weights: 'null'").weights == "null")
  }

  @Test(
    arguments: [
      "plain", " a", "a b", "64", "-1", "+1", ".5", "1.", "1e3", "0x1f", "0o7", "1_000", "12:30",
      "2020-01-01", "320x240", "80,20", "true", "No", "null", "~", "<<", "=", ".inf", ".nan", "- a",
      "-", "-a", "? a", "?", ": a", ":", "a:", "a: b", "a:b", "a #b", "a#b", "#a", "*a", "&a", "!a",
      "|", ">", "'", "it's", "\"", "\"a\"", "%a", "@a", "`a", "[a]", "{a}", ",a", "---", "... a",
      "tab\there", "line\nline", "\u{e9}", "e\u{301}", "\u{1F600}", "\u{10F7E9}", "\\", "\u{7f}",
      "/a/b c.h5", String(repeating: "long words ", count: 40) + "end",
    ])
  func textComesBack(_ text: String) throws {
    var recipe = Recipe()
    recipe.weights = text
    let read = try Recipe(yaml: recipe.yaml).weights
    #expect(read.map { Array($0.utf8) } == Array(text.utf8))
    // Checkpoints have the same as JSON.
    let json = try JSONDecoder().decode(Recipe.self, from: JSONEncoder().encode(recipe))
    #expect(json.weights.map { Array($0.utf8) } == Array(text.utf8))
  }

  @Test func jsonWithoutAValueLeavesItOut() throws {
    let json = Data("{\"weights\": null, \"seed\": 3}".utf8)
    let recipe = try JSONDecoder().decode(Recipe.self, from: json)
    #expect(recipe.weights == nil && recipe.seed == 3)
  }

  /// Numbers and words are none of JSON's texts, as in checkpoints of earlier versions.
  @Test func jsonHasTheSameValues() throws {
    var recipe = Recipe()
    recipe.seed = .max
    recipe.shuffle = false
    recipe.imageSize = "64"
    recipe.exportType = .float16
    recipe.phases[0].learningRate = 0.1 + 0.2
    let json = try JSONEncoder().encode(recipe)
    #expect(try JSONDecoder().decode(Recipe.self, from: json) == recipe)
    let text = String(decoding: json, as: UTF8.self)
    for part in [
      "\"seed\":18446744073709551615", "\"shuffle\":false", "\"image_size\":\"64\"",
      "\"learning_rate\":0.30000000000000004", "\"export_type\":\"float16\"",
    ] {
      #expect(text.contains(part), "\(text)")
    }
    #expect(throws: GraftError.self) {
      try JSONDecoder().decode(Recipe.self, from: Data("{\"batch_size\": \"8\"}".utf8))
    }
  }

  @Test func propertiesHaveALineEach() throws {
    var recipe = Recipe()
    recipe.imageSize = "64"
    recipe.phases = [Recipe.Phase(epochs: 1, learningRate: 1), Recipe.Phase(learningRate: 1e-5)]
    let lines = recipe.yaml.split(separator: "\n").map(String.init)
    #expect(lines.prefix(2) == ["model: vgg16", "from_scratch: false"])
    #expect(lines.contains("image_size: '64'") && lines.contains("split: 80,20"))
    #expect(
      lines.suffix(11) == [
        "phases:", "- unfreeze: none", "  epochs: 1", "  learning_rate: 1", "  optimizer: adam",
        "  schedule: constant", "- unfreeze: none", "  epochs: 10", "  learning_rate: 0.00001",
        "  optimizer: adam", "  schedule: constant",
      ])
  }
}
