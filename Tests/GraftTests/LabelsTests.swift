import GraftTensor
import Testing

import Foundation
import Graft

@Suite struct LabelsTests {
  @Test func metadataKeepAnyCharacter() throws {
    let names = [
      "cat", "golden\nretriever", "a\r\nb", "", "\u{2028}", "say \"no\"", "[\"x\"]", "\u{0}",
      "naïve 🐈",
    ]
    let labels = Labels(names: names)
    let read = try #require(
      Labels(metadata: [ByteString(Labels.metadataKey): labels.metadataValue], classCount: nil))
    #expect(read.names.map { Array($0.utf8) } == names.map { Array($0.utf8) })
  }

  @Test func readsMetadataOfOneLabelALine() {
    #expect(
      Labels(metadata: [ByteString(Labels.metadataKey): "cat\ndog"], classCount: nil)?.names == [
        "cat", "dog",
      ])
    #expect(
      Labels(metadata: [ByteString(Labels.metadataKey): "[cat]\ndog"], classCount: nil)?.names == [
        "[cat]", "dog",
      ])
    #expect(Labels(metadata: [:], classCount: nil) == nil)
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
    #expect(throws: GraftError.self) { try Labels.parse(text) }
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
    #expect(throws: GraftError.self) { try two.check(classCount: 1000) }
    #expect(throws: GraftError.self) { try Labels(names: ["a", "b", "c"]).check(classCount: 1) }
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
