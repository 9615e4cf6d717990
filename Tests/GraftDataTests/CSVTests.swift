import DataFixtures
import GraftData
import GraftTensor
import Testing

@Suite struct CSVTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func rows(_ text: String) throws -> [[String]] {
    try CSVFile.rows(FileBytes(copying: Array(text.utf8))).map(\.fields)
  }

  private func dataset(_ text: String) throws -> PictureDataset {
    try PictureDataset.open(folder.write("table.csv", text: text))
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
    #expect(throws: GraftError.self) { try rows(text) }
  }

  @Test func readsPathsAndLabels() throws {
    let table = try dataset("a.jpg,dog\nsub/b.png,cat\nsub/b.png,cat\n\"c, d.jpg\",cat\n")
    #expect(table.classNames == ["cat", "dog"])
    #expect(table.items.map(\.label) == [1, 0, 0])
    #expect(
      table.items.map(\.picture.place)
        == ["a.jpg", "sub/b.png", "c, d.jpg"].map { "\(folder.path)/\($0)" })
  }

  @Test func readsTitles() throws {
    let table = try dataset("id;Class; Filename\n7;10;a\n8;9;b\n9;10;c\n")
    #expect(table.classNames == ["9", "10"])
    #expect(table.items.map(\.label) == [1, 0, 1])
    #expect(table.items[0].picture.place == "\(folder.path)/a")
  }

  @Test(arguments: ["/etc/passwd", "../a.jpg", "x/../../a.jpg"]) func staysInItsFolder(path: String)
  {
    #expect(
      message("path,label\na.jpg,cat\n\(path),dog\n").contains("line 3: '\(path)' lies outside"))
  }

  @Test func refusesOtherTables() {
    #expect(message("").contains("is empty"))
    #expect(message("id,breed\n1,cat\n").contains("no columns of paths and of labels"))
    #expect(message("path,label\na.jpg,\n").contains("line 2: has no label"))
    #expect(message("path,label\na.jpg\n").contains("line 2: has 1 columns"))
    #expect(message("path,label\na.jpg,cat\nb.jpg,cat\n").contains("one class only ('cat')"))
    #expect(message("path,label\n").contains("has no pictures"))
    #expect(
      message("a.jpg,cat\nb.jpg,dog\na.jpg,dog\n")
        .contains("line 3: 'a.jpg' has the class 'dog', but 'cat' further up"))
  }
}
