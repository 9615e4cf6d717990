import GraftData
import GraftFiles
import GraftTensor
import TestSupport
import Testing

@Suite struct PickleTests {
  private func read(_ bytes: [UInt8]) throws -> PickleValue {
    try PickleReader.read(FileBytes(copying: bytes))
  }

  private func read(_ text: String) throws -> PickleValue { try read(Array(text.utf8)) }

  private func message(_ bytes: [UInt8]) -> String {
    do {
      _ = try read(bytes)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test(arguments: PickleFixture.pickles.map(\.name)) func readsWhatPythonWrites(name: String)
    throws
  {
    let bytes = try #require(PickleFixture.pickles.first { $0.name == name }?.bytes)
    let value = try read(bytes)
    let array = try #require(value["data"]?.array)
    #expect(array.shape == [2, 3])
    #expect(try array.integers() == [0, 40, 80, 120, 160, 200])
    #expect(value["labels"]?.integers == [1, 300])
    #expect(value["names"]?.strings == ["one", "two"])
    #expect(value["large"]?.integer == -70000)
    guard case .none? = value["nothing"], case .bool(true)? = value["flag"],
      case .tuple(let pair)? = value["pair"], case .bytes(let bytes) = pair.elements[1]
    else {
      Issue.record("wrong values")
      return
    }
    #expect(pair.elements[0].integer == 1)
    #expect(bytes.withUnsafeBytes { Array($0) } == [0, 255])
    #expect(value["missing"] == nil)
  }

  /// Protocol 0 as Python 2 wrote it.
  @Test func readsOldText() throws {
    let value = try read(
      "(dp1\nS'names'\np2\n(lp3\nS'it\\'s'\np4\naS\"a\\x41\\n\\\\\"\np5\nas"
        + "S'count'\np6\nL12L\nsS'n'\nI-3\ns."
    )
    #expect(value["names"]?.strings == ["it's", "aA\n\\"])
    #expect(value["count"]?.integer == 12)
    #expect(value["n"]?.integer == -3)
  }

  @Test func readsEscapedText() throws {
    let value = try read(Array("(lV\\u00e9\\U0001F600".utf8) + [0xe9] + Array("\\x\na.".utf8))
    #expect(value.strings == ["é😀é\\x"])
  }

  @Test(arguments: [
    "cos\nsystem\n(S'true'\ntR.", "cbuiltins\neval\n(S'1'\ntR.", "c__builtin__\ngetattr\n.",
    "cnumpy\nload\n(S'x'\ntR.", "\u{80}\u{4}\u{8c}\u{2}os\u{8c}\u{6}system\u{93}.",
  ]) func callsNothing(text: String) {
    let bytes = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    #expect(message(bytes).contains("which is not allowed"))
  }

  /// Instructions for instances, persistent objects, extensions and buffers.
  @Test(arguments: ["i", "o", "P", "Q", "F", "G", "2", "0", "\u{81}", "\u{82}", "\u{8f}", "\u{96}"])
  func refusesOtherInstructions(text: String) {
    let code = UInt8(truncatingIfNeeded: text.unicodeScalars.first!.value)
    #expect(message([code, 0x2e]).contains("which is not allowed"))
  }

  @Test func refusesNewerProtocols() {
    #expect(message([0x80, 5, 0x4e, 0x2e]).contains("protocol 5"))
  }

  @Test(arguments: [
    "", ".", "N", "(.", "a.", "Na.", "]NNs.", "(e.", "t.", "}(Ku.", "}(NNu.", "g1\n.", "NN.", "(N.",
    "I1x\n.", "S'a\n.", "Sa\n.", "S'\\x4'\n.", "V\\ud800\n.", "T\u{7f}\u{7f}\u{7f}\u{7f}a.", "R.",
    "NR.",
    "cnumpy\nndarray\n.", "cnumpy\nndarray\n)R.", "cnumpy\nndarray\nb.", "](]](e.", "p1\n.",
    "(p1\n.",
  ]) func refusesDamage(text: String) {
    expectError(.badData, or: .unavailable) { try read(text) }
  }

  @Test func refusesCircles() {
    // A list that is put into itself.
    #expect(message(Array("]q\u{1}h\u{1}a.".utf8)).contains("a list in two places"))
  }

  @Test func refusesDepth() {
    let deep = [UInt8](repeating: 0x5d, count: 1000) + [UInt8](repeating: 0x61, count: 999) + [0x2e]
    #expect(message(deep).contains("nests lists and dictionaries"))
    let tuples = Array("N".utf8) + [UInt8](repeating: 0x85, count: 1000) + [0x2e]
    #expect(message(tuples).contains("nests lists and dictionaries"))
  }

  @Test func refusesArraysOfOtherKinds() throws {
    let bytes = try #require(PickleFixture.pickles.last?.bytes)
    var text = bytes.map { Character(UnicodeScalar($0)) }
    let index = try #require(text.indices.first { text[$0] == "u" && text[$0 + 1] == "1" })
    text[index] = "f"
    #expect(message(text.map { UInt8($0.unicodeScalars.first!.value) }).contains("'f1'"))
  }

  @Test func refusesShapesThatDoNotFit() throws {
    var bytes = try #require(PickleFixture.pickles.last?.bytes)
    let shape = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x4b, 2, 0x4b, 3]) })
    bytes[shape + 1] = 3
    #expect(message(bytes).contains("do not match its shape"))
  }

  @Test func everyTruncationIsAnError() {
    for (_, bytes) in PickleFixture.pickles {
      for count in bytes.indices {
        expectError(.badData) { try read(Array(bytes[..<count])) }
      }
    }
  }

  /// A short pickle cannot make much memory by encoding the same text again and again.
  @Test func refusesBombs() {
    var bytes = Array("]c_codecs\nencode\nq\u{1}(X".utf8) + [0, 4, 0, 0]
    bytes += [UInt8](repeating: 0x61, count: 1024) + Array("X".utf8) + [6, 0, 0, 0]
    bytes += Array("latin1tq\u{2}Ra".utf8)
    for _ in 0..<1000 { bytes += Array("h\u{1}h\u{2}Ra".utf8) }
    #expect(message(bytes + [0x2e]).contains("encodes more bytes than it has"))
  }
}
