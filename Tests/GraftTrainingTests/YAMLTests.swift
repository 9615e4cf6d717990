import GraftFiles
import GraftTraining
import TestSupport
import Testing

/// Recipes as YAML that is odd, broken or hostile.
@Suite struct YAMLTests {
  @Test(
    arguments: [
      ("model: [1", "line 2, column 1"), ("model: a: b", "line 1, column 9"),
      ("seed: 1\nseed: 2", "line 2, column 1: duplicate property 'seed'"),
      ("model: *other", "line 1, column 8: 'other'"), ("[1]: 2\n", "line 1, column 1"),
      ("seed: 1\n---\nseed: 2", "line 2, column 1: expected a single document"),
      ("seed: 1\n\u{1}", "line 2: control characters"),
      (String(repeating: "[", count: 100), "nested too deeply"),
      (YAMLTests.bomb, "too many values"),
      ("seed: -1", "seed: is not an integer of 0 or more"),
      ("seed: '1'", "seed: is not an integer"),
      ("seed: 1.5", "seed"), ("seed: 099", "seed"), ("shuffle: 'true'", "neither true nor false"),
      ("head: [a]", "head: is not a single value"), ("phases: 3", "phases: is not a list"),
      ("phases: [3]", "phase 1: is not a list of properties"),
      ("phases: [{learning_rate: fast}]", "phase 1: learning_rate: is not a number"),
      ("", "not a list of properties"),
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
    for (text, seed) in [("0x1F", 31), ("0b101", 5), ("0o17", 15), ("017", 15), ("1_000", 1000)] {
      #expect(try Recipe(yaml: "seed: \(text)").seed == UInt64(seed))
    }
    #expect(try Recipe(yaml: "shuffle: No").shuffle == false)
    #expect(try Recipe(yaml: "shuffle: on").shuffle == true)
    #expect(try Recipe(yaml: "phases: [{learning_rate: 1E-3}]").phases[0].learningRate == 1e-3)
    for nothing in ["", "~", "null", "NULL"] {
      #expect(try Recipe(yaml: "weights: \(nothing)").weights == nil)
    }
    #expect(try Recipe(yaml: "weights: 'null'").weights == "null")
  }

  @Test(
    arguments: [
      "", " ", "plain", "a b", "64", "-1", "+1", ".5", "1.", "1e3", "0x1f", "0o7", "1_000", "12:30",
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
  }

  @Test func propertiesHaveALineEach() throws {
    var recipe = Recipe()
    recipe.imageSize = "64"
    recipe.phases = [Recipe.Phase(epochs: 1, learningRate: 1), Recipe.Phase(learningRate: 1e-5)]
    let lines = try recipe.yaml.split(separator: "\n").map(String.init)
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
