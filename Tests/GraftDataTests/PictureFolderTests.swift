import DataFixtures
import Foundation
import GraftData
import GraftTensor
import GraftVision
import Testing

@Suite struct PictureFolderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func fill(_ names: [String]) throws {
    for name in names { try folder.write(name, TestPicture.bmp()) }
  }

  private func message(format: PictureDataset.Format? = nil) -> String {
    do {
      _ = try PictureDataset.open(folder.path, format: format)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test func foldersAreClasses() throws {
    try fill(["dog/b.bmp", "dog/a.BMP", "cat/x.bmp", "cat/deeper/y.bmp", "cat/notes.txt"])
    let dataset = try PictureDataset.open(folder.path)
    #expect(dataset.classNames == ["cat", "dog"])
    #expect(dataset.names(dataset.items) == ["cat x.bmp", "cat y.bmp", "dog a.BMP", "dog b.bmp"])
    #expect(dataset.validationItems.isEmpty && dataset.testItems.isEmpty)
    let image = try dataset.items[0].image()
    #expect(image.size.description == "2x1" && image.samples == [200, 20, 10, 200, 20, 10])
  }

  @Test func numbersSortAsNumbers() throws {
    try fill((0..<12).map { "\($0)/picture.bmp" })
    #expect(try PictureDataset.open(folder.path).classNames == (0..<12).map(String.init))
  }

  @Test func partsAreSetApart() throws {
    try fill([
      "train/cat/1.bmp", "train/dog/2.bmp", "Validation/dog/3.bmp", "test/cat/4.bmp",
      "test/dog/5.bmp",
    ])
    let dataset = try PictureDataset.open(folder.path)
    #expect(dataset.names(dataset.items) == ["cat 1.bmp", "dog 2.bmp"])
    #expect(dataset.names(dataset.validationItems) == ["dog 3.bmp"])
    #expect(dataset.names(dataset.testItems) == ["cat 4.bmp", "dog 5.bmp"])
  }

  @Test func classesMayBeCalledAsPartsAre() throws {
    try fill(["train/1.bmp", "car/2.bmp", "plane/3.bmp"])
    #expect(try PictureDataset.open(folder.path, format: .folders).items.count == 3)
  }

  @Test func namesTellClasses() throws {
    try fill(["train/cat.10.bmp", "train/cat.9.bmp", "train/dog.0.bmp", "test1/1.bmp"])
    let dataset = try PictureDataset.open(folder.path)
    #expect(dataset.names(dataset.items) == ["cat cat.9.bmp", "cat cat.10.bmp", "dog dog.0.bmp"])
    #expect(dataset.testItems.isEmpty)
  }

  @Test func picturesWithoutClassesAreLeftOut() throws {
    try fill(["train/cat.1.bmp", "train/dog.0.bmp", "test/1.bmp", "test/2.bmp"])
    let dataset = try PictureDataset.open(folder.path)
    #expect(dataset.testItems.isEmpty)
    #expect(dataset.remarks.count == 1 && dataset.remarks[0].contains("2 pictures are left out"))
  }

  @Test func wrappingFoldersAreLookedThrough() throws {
    try fill([
      "archive/PetImages/Cat/1.bmp", "archive/PetImages/Dog/2.bmp", ".DS_Store", "note.txt",
    ])
    #expect(try PictureDataset.open(folder.path).classNames == ["Cat", "Dog"])
  }

  @Test func linksAreFollowedButNotInCircles() throws {
    try fill(["cat/1.bmp", "dog/2.bmp"])
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/cat/circle", withDestinationPath: folder.path)
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/dog/link.bmp", withDestinationPath: "\(folder.path)/cat/1.bmp")
    #expect(try PictureDataset.open(folder.path).items.count == 3)
  }

  @Test func emptyClassIsAnError() throws {
    try fill(["cat/1.bmp", "dog/2.bmp"])
    try folder.makeFolder("bird")
    #expect(message().contains("class 'bird' has no pictures"))
  }

  @Test func oneClassIsAnError() throws {
    try fill(["cat/1.bmp", "cat/2.bmp"])
    #expect(message().contains("has pictures of one class only ('cat')"))
  }

  @Test func oneClassInPartsIsAnError() throws {
    try fill(["train/cat/1.bmp", "test/cat/2.bmp"])
    #expect(message().contains("has pictures of one class only ('cat')"))
  }

  @Test func noPicturesIsAnError() throws {
    try folder.write("a/notes.txt", text: "x")
    #expect(message().contains("has no data of a known form"))
    #expect(throws: GraftError.self) { try PictureDataset.open(folder.path + "/missing") }
  }

  @Test func namesWithoutClassAreAnError() throws {
    try fill(["cat.1.bmp", "dog.1.bmp", "3.bmp"])
    #expect(message().contains("3.bmp: tells no class"))
  }

  @Test func unknownClassInTestIsAnError() throws {
    try fill(["train/cat/1.bmp", "train/dog/2.bmp", "test/bird/3.bmp"])
    #expect(message().contains("has the class 'bird'"))
  }
}

extension PictureDataset {
  /// The class and the file name of each picture.
  fileprivate func names(_ items: [Item]) -> [String] {
    items.map { item in
      "\(classNames[item.label]) \(item.picture.place.split(separator: "/").last ?? "")"
    }
  }
}
