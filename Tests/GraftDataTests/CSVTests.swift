import GraftData
import GraftFiles
import TestSupport
import Testing

@Suite struct CSVTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func rows(_ text: String) throws -> [[String]] {
    try CSVFile.rows(FileBytes(copying: Array(text.utf8))).map(\.fields)
  }

  private func dataset(_ text: String) throws -> ImageDataset {
    try ImageDataset.open(folder.write("table.csv", text: text))
  }

  private func message(_ text: String) -> String {
    do {
      _ = try dataset(text)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test func readsTables() throws {
    #expect(try rows("a,b\r\nc,d") == [["a", "b"], ["c", "d"]])
    #expect(try rows("\u{feff}a;b,c;d\n\n;;\n") == [["a", "b,c", "d"], ["", "", ""]])
    #expect(try rows("a\tb\rc\td\r") == [["a", "b"], ["c", "d"]])
    #expect(try rows("\"a,\"\"b\"\"\n\",c\n\"\",x") == [["a,\"b\"\n", "c"], ["", "x"]])
    #expect(try rows("") == [])
    #expect(try rows("é\"x,y") == [["é\"x", "y"]])
    let numbered = try CSVFile.rows(FileBytes(copying: Array("\"a\nb\",c\n\nd,e".utf8)))
    #expect(numbered.map(\.line) == [1, 4])
  }

  @Test(arguments: ["\"a", "\"a\"b,c", "a,\"b\nc"]) func refusesWrongQuotes(text: String) {
    expectError(.badData, "line 1", "quotation mark") { try rows(text) }
  }

  @Test func readsPathsAndLabels() throws {
    let table = try dataset("a.jpg,dog\nsub/b.png,cat\nsub/b.png,cat\n\"c, d.jpg\",cat\n")
    #expect(table.summary.contains("3 images used, 1 left out: 1 duplicate row"))
    #expect(table.classNames == ["cat", "dog"])
    #expect(table.items.map(\.label) == [1, 0, 0])
    #expect(
      table.items.map(\.image.place)
        == ["a.jpg", "sub/b.png", "c, d.jpg"].map { "\(folder.path)/\($0)" })
  }

  @Test func readsTitles() throws {
    let table = try dataset("id;Class; Filename\n7;10;a\n8;9;b\n9;10;c\n")
    #expect(table.classNames == ["9", "10"])
    #expect(table.items.map(\.label) == [1, 0, 1])
    #expect(table.items[0].image.place == "\(folder.path)/a")
  }

  /// The table is the user's own, who may name any file.
  @Test func pathsAreOfAnyForm() throws {
    for name in ["sub/a.bmp", "sub/b.bmp", "c\\d.bmp"] {
      try folder.write(name, TestImage.bmp())
    }
    let table = try dataset(
      "path,label\n\(folder.path)/sub/a.bmp,cat\nsub\\b.bmp,dog\n"
        + "c\\d.bmp,dog\nsub/../sub/b.bmp,dog\n"
    )
    #expect(
      table.items.map(\.image.place)
        == ["sub/a.bmp", "sub/b.bmp", "c\\d.bmp", "sub/../sub/b.bmp"].map { "\(folder.path)/\($0)" }
    )
    #expect(try table.checked(.pixels, maximumBad: 0, threads: 1).bad.isEmpty)
  }

  @Test(arguments: [
    ("split", ["train", "val", "test"]), ("Set", ["Training", "dev", "Testing"]),
    ("subset", ["TRAIN", "validation", "test"]), ("partition", ["train_set", "holdout", "tst"]),
  ]) func aColumnTellsTheParts(title: String, names: [String]) throws {
    let rows = names.enumerated().map {
      "\($0).jpg,\($0 % 2),\($1)\n\($0)b.jpg,\(1 - $0 % 2),\($1)"
    }
    let table = try dataset("path,label,\(title)\n" + rows.joined(separator: "\n"))
    #expect(table.items.map(\.image.place).allSatisfy { $0.contains("/0") })
    #expect(table.validationItems.map(\.image.place).allSatisfy { $0.contains("/1") })
    #expect(table.testItems.map(\.image.place).allSatisfy { $0.contains("/2") })
    #expect(
      [table.items.count, table.validationItems.count, table.testItems.count] == [2, 2, 2])
    #expect(table.remarks == ["the column '\(title)' divides the images into parts"])
  }

  @Test func partsAreCertain() throws {
    let head = "path,label,split\na.jpg,0,train\nb.jpg,1,train\n"
    #expect(message(head + "c.jpg,1,extra\n").contains("line 4: invalid part 'extra'"))
    #expect(message(head + "c.jpg,1,\n").contains("line 4: has no part"))
    let twice = "'b.jpg' is for test, but an earlier line says training"
    #expect(message(head + "b.jpg,1,test\n").contains(twice))
    let other = try dataset("path,label,set\na.jpg,0,A\nb.jpg,1,B\n")
    #expect(other.items.count == 2 && other.remarks[0].contains("'set' has no parts"))
  }

  @Test func textComesInSeveralEncodings() throws {
    let text = "file,label\na.bmp,M\u{e4}rz\nb.bmp,M\u{f6}rz\nc.bmp,Mai\n"
    let utf16 = Array(text.utf16)
    let files: [(String, [UInt8])] = [
      ("utf8", [0xef, 0xbb, 0xbf] + Array(text.utf8)),
      ("cp1252", text.unicodeScalars.map { UInt8($0.value) }),
      ("utf16le", [0xff, 0xfe] + utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }),
      ("utf16be", [0xfe, 0xff] + utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }),
      ("utf16", utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }),
    ]
    for (name, bytes) in files {
      let table = try ImageDataset.open(folder.write("\(name).csv", bytes))
      #expect(table.classNames == ["Mai", "März", "Mörz"])
      #expect(table.remarks.count == (name == "utf8" ? 0 : 1))
    }
    expectError(.badData, "UTF-16") {
      try TextEncoding.decode(FileBytes(copying: [0xff, 0xfe, 0, 0xd8]))
    }
    expectError(.badData, "text file") {
      try TextEncoding.decode(FileBytes(copying: [1, 0, 0, 2]))
    }
    let euro = try TextEncoding.decode(FileBytes(copying: [0x80, 0x9f, 0x81]))
    #expect(euro.text.text == "€Ÿ\u{81}" && euro.encoding == .windows1252)
    #expect(TextEncoding.windows1252Bytes("€Ÿ\u{81}a") == [0x80, 0x9f, 0x81, 0x61])
  }

  @Test func labelsDifferInBytes() throws {
    let table = try dataset(
      "a.jpg,\u{e9}\nb.jpg,e\u{301}\n\u{e9}.jpg,\u{e9}\ne\u{301}.jpg,e\u{301}\n")
    #expect(table.classNames.count == 2 && table.items.count == 4)
    #expect(table.items.map(\.label) == [1, 0, 1, 0])
  }

  @Test func labelsMayHaveLines() throws {
    let table = try dataset("path,label\na.jpg,\"golden\nretriever\"\nb.jpg,cat\n")
    #expect(table.classNames == ["cat", "golden\nretriever"])
  }

  @Test func refusesOtherTables() {
    #expect(message("").contains("is empty"))
    #expect(message("id,breed\n1,cat\n").contains("no columns for paths and labels"))
    #expect(message("path,label\na.jpg,\n").contains("line 2: has no label"))
    #expect(message("path,label\na.jpg\n").contains("line 2: has 1 columns"))
    #expect(message("path,label\na.jpg,cat\nb.jpg,cat\n").contains("one class only ('cat')"))
    #expect(message("path,label\n").contains("has no images"))
    #expect(
      message("a.jpg,cat\nb.jpg,dog\na.jpg,dog\n")
        .contains("line 3: 'a.jpg' has the class 'dog', but an earlier line says 'cat'"))
  }
}
