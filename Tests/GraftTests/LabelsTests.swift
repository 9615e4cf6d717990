import Foundation
import Graft
import GraftFiles
import TestSupport
import Testing

@Suite struct LabelsTests {
  @Test func metadataKeepAnyCharacter() throws {
    let names = [
      "cat", "golden\nretriever", "a\r\nb", "", "\u{2028}", "say \"no\"", "[\"x\"]", "\u{0}",
      "naïve 🐈",
    ]
    let labels = Labels(names: names)
    let read = try #require(
      try Labels(metadata: [ByteString(Labels.metadataKey): labels.metadataValue], classCount: nil)
    )
    #expect(read.names.map { Array($0.utf8) } == names.map { Array($0.utf8) })
  }

  @Test func readsMetadataOfOneLabelALine() throws {
    func names(_ text: String, classCount: Int? = nil) throws -> [String]? {
      try Labels(metadata: [ByteString(Labels.metadataKey): text], classCount: classCount)?.names
    }
    #expect(try names("cat\ndog") == ["cat", "dog"])
    #expect(try names("cat\r\ndog\r\n") == ["cat", "dog"])
    #expect(try names("cat\ndog\n", classCount: 2) == ["cat", "dog"])
    #expect(try names("cat\ndog\n", classCount: 3) == ["cat", "dog", ""])
    #expect(try names("[cat]\ndog") == ["[cat]", "dog"])
    #expect(try names("[cat]", classCount: 1) == ["[cat]"])
    // One score may be for two classes.
    #expect(try names("[cat]\n[dog]", classCount: 1) == ["[cat]", "[dog]"])
    #expect(try names("") == nil)
    #expect(try Labels(metadata: [:], classCount: nil) == nil)
  }

  @Test(
    arguments: [
      ("[\"cat\", \"dog\"", nil, "neither a JSON array of names nor one name per line: [\"cat\""),
      ("[1, 2, 3]", 3, "neither"), ("{\"0\": \"cat\"}", nil, "neither"),
      ("[\n\"cat\",\n\"dog\"\n", 2, "neither"), ("[\n\"cat\",\n\"dog\"\n", 3, "neither"),
      ("[\n\"cat\",\n\"dog\"\n", nil, "neither"), ("['cat', 'dog']", 2, "neither"),
      ("[\"cat\"]", 2, "is 1 label"),
      ("[]", 3, "are 0 labels"), ("cat\ndog", 3, "are 2 labels"),
    ] as [(String, Int?, String)])
  func refusesMetadata(text: String, classCount: Int?, part: String) throws {
    let error = #expect(throws: GraftError.self) {
      try Labels(metadata: [ByteString(Labels.metadataKey): text], classCount: classCount)
    }
    #expect(error?.code == .badData)
    #expect(error?.places == ["metadata 'graft.labels'"])
    #expect(error?.description.contains(part) == true)
  }

  @Test(arguments: [
    "cat\ndog\n", "cat\r\ndog\r\n\r\n", "cat\rdog", " cat \ndog\t", "[\"cat\", \"dog\"]",
    "{\"0\": \"cat\", \"1\": \"dog\"}", "0\tcat\n1\tdog",
    "{\"1\": [\"x\", \"dog\"], \"0\": [\"y\", \"cat\"]}",
    "{\"model\": {}, \"id2label\": {\"0\": \"cat\", \"1\": \"dog\"}}",
  ])
  func readsForms(text: String) throws {
    #expect(try Labels.parse(text) == Labels(names: ["cat", "dog"]))
  }

  @Test func namesMayBeginWithABracket() throws {
    #expect(try Labels.parse("[cat]\ndog\n") == Labels(names: ["[cat]", "dog"]))
    #expect(try Labels.parse("[1]\n[2]") == Labels(names: ["[1]", "[2]"]))
  }

  @Test(arguments: [
    "[\"cat\", \"dog\"", "[\n\"cat\",\n\"dog\"\n", "[\"cat\", \"dog\"],", "[1, 2, 3]",
    "['cat', 'dog']", "[[\"n01440764\", \"tench\"]]", "[\r\n  \"cat\"", "{0: 'cat'}",
    "[{\"name\": \"cat\"}]",
  ])
  func refusesOtherJSON(text: String) {
    let error = #expect(throws: GraftError.self) { try Labels.parse(text) }
    #expect(error?.description.contains("starts like JSON") == true)
  }

  @Test(arguments: [
    "n01440764 tench\nn01443537 goldfish", "n01440764\ttench\nn01443537\tgoldfish",
    "{\"0\": [\"n01440764\", \"tench\"], \"1\": [\"n01443537\", \"goldfish\"]}",
  ])
  func readsNamesOfWordNet(text: String) throws {
    let labels = try Labels.parse(text)
    #expect(labels.names == ["tench", "goldfish"])
    #expect(labels.wordNetIDs == ["n01440764", "n01443537"])
    #expect(labels.positions(of: ["n01443537", "n01440764", "n01443537"]) == [1, 0, 1])
    #expect(labels.positions(of: ["goldfish"]) == [1])
    #expect(labels.positions(of: ["n01443537", "n99999999"]) == [1, nil])
  }

  @Test(arguments: [
    "", "\n\n", "{\"0\": \"a\", \"2\": \"b\"}", "{}", "[]", "a.jpg\tn01440764\t0\ttench",
  ])
  func refusesOtherForms(text: String) {
    expectError(.badData, "label") { try Labels.parse(text) }
  }

  @Test func namesThatOnlyLookAlikeAreOthers() {
    let labels = Labels(names: ["caf\u{e9}", "cafe\u{301}"])
    #expect(labels.positions(of: ["cafe\u{301}", "caf\u{e9}"]) == [1, 0])
  }

  @Test func numberOfLabelsIsThatOfClasses() throws {
    let two = Labels(names: ["a", "b"])
    #expect(throws: Never.self) { try two.check(classCount: 2) }
    #expect(throws: Never.self) { try two.check(classCount: 1) }
    #expect(throws: Never.self) { try Labels(names: ["a"]).check(classCount: 1) }
    expectError(.badData, "1000 classes") { try two.check(classCount: 1000) }
    expectError(.badData, "3 labels") { try Labels(names: ["a", "b", "c"]).check(classCount: 1) }
  }

  @Test func imageNetIsBuiltIn() throws {
    let labels = try Labels.named("imagenet")
    #expect(labels.names.count == 1000 && Set(labels.wordNetIDs ?? []).count == 1000)
    #expect(labels.positions(of: ["n01440764", "n15075141", "n02123045"]) == [0, 999, 281])
    // Both are called crane.
    #expect(labels.positions(of: ["n02012849", "n03126707"]) == [134, 517])
    // Others write spaces, and further names.
    let spelled = Labels(
      names: labels.names.map { $0.replacing("_", with: " ").capitalized + ", and more" })
    #expect(spelled.positions(of: ["n15075141"]) == [999])
    #expect(Labels(names: labels.names.reversed()).positions(of: ["n15075141"]) == [nil])
  }
}
