import Foundation
import GraftData
import GraftFiles
import GraftVision
import TestSupport
import Testing

@Suite struct ImageFolderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func fill(_ names: [String]) throws {
    for name in names { try folder.write(name, TestImage.bmp()) }
  }

  private func message(format: ImageDataset.Format? = nil) -> String {
    do {
      _ = try ImageDataset.open(folder.path, format: format)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test func foldersAreClasses() throws {
    try fill(["dog/b.bmp", "dog/a.BMP", "cat/x.bmp", "cat/deeper/y.bmp", "cat/notes.txt"])
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.classNames == ["cat", "dog"])
    #expect(dataset.names(dataset.items) == ["cat x.bmp", "cat y.bmp", "dog a.BMP", "dog b.bmp"])
    #expect(dataset.validationItems.isEmpty && dataset.testItems.isEmpty)
    let image = try dataset.items[0].image()
    #expect(image.size.description == "2x1" && image.samples == [200, 20, 10, 200, 20, 10])
  }

  @Test func numbersSortAsNumbers() throws {
    try fill((0..<12).map { "\($0)/image.bmp" })
    #expect(try ImageDataset.open(folder.path).classNames == (0..<12).map(String.init))
  }

  @Test func partsAreSetApart() throws {
    try fill([
      "train/cat/1.bmp", "train/dog/2.bmp", "Validation/dog/3.bmp", "test/cat/4.bmp",
      "test/dog/5.bmp",
    ])
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.names(dataset.items) == ["cat 1.bmp", "dog 2.bmp"])
    #expect(dataset.names(dataset.validationItems) == ["dog 3.bmp"])
    #expect(dataset.names(dataset.testItems) == ["cat 4.bmp", "dog 5.bmp"])
  }

  @Test func classesMayBeCalledAsPartsAre() throws {
    try fill(["train/1.bmp", "car/2.bmp", "plane/3.bmp"])
    #expect(try ImageDataset.open(folder.path, format: .folders).items.count == 3)
  }

  @Test func namesTellClasses() throws {
    try fill(["train/cat.10.bmp", "train/cat.9.bmp", "train/dog.0.bmp", "test1/1.bmp"])
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.names(dataset.items) == ["cat cat.9.bmp", "cat cat.10.bmp", "dog dog.0.bmp"])
    #expect(dataset.testItems.isEmpty)
  }

  @Test func imagesWithoutClassesAreLeftOut() throws {
    try fill(["train/cat.1.bmp", "train/dog.0.bmp", "test/1.bmp", "test/2.bmp"])
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.testItems.isEmpty)
    #expect(dataset.remarks.count == 1 && dataset.remarks[0].contains("2 images are left out"))
  }

  @Test func wrappingFoldersAreLookedThrough() throws {
    try fill([
      "archive/PetImages/Cat/1.bmp", "archive/PetImages/Dog/2.bmp", ".DS_Store", "note.txt",
    ])
    #expect(try ImageDataset.open(folder.path).classNames == ["Cat", "Dog"])
  }

  @Test func linksAreFollowedButNotInCircles() throws {
    try fill(["cat/1.bmp", "dog/2.bmp"])
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/cat/circle", withDestinationPath: folder.path)
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/dog/link.bmp", withDestinationPath: "\(folder.path)/cat/1.bmp")
    #expect(try ImageDataset.open(folder.path).items.count == 3)
  }

  @Test func anEmptyFolderIsNoClass() throws {
    try fill(["cat/1.bmp", "dog/2.bmp"])
    try folder.makeFolder("bird")
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.classNames == ["cat", "dog"])
    #expect(dataset.remarks == ["the folder 'bird' has no images and is not a class"])
  }

  @Test func oneClassIsAnError() throws {
    try fill(["cat/1.bmp", "cat/2.bmp"])
    #expect(message().contains("has images of one class only ('cat')"))
  }

  @Test func oneClassInPartsIsAnError() throws {
    try fill(["train/cat/1.bmp", "test/cat/2.bmp"])
    #expect(message().contains("has images of one class only ('cat')"))
  }

  @Test func noImagesIsAnError() throws {
    try folder.write("a/notes.txt", text: "x")
    #expect(message().contains("has no data in a known form"))
    expectError(.noInput, folder.path + "/missing") {
      try ImageDataset.open(folder.path + "/missing")
    }
  }

  @Test func namesWithoutClassAreAnError() throws {
    try fill(["cat.1.bmp", "dog.1.bmp", "3.bmp"])
    #expect(message().contains("3.bmp: its name has no class"))
  }

  @Test(arguments: [
    ("training_set", "test_set", "dev"), ("Train", "TEST", "Holdout"),
    ("trainset", "testset", "valset"),
    ("train-data", "test-data", "eval_data"), ("train2017", "test2017", "val2017"),
    ("training images", "testing images", "validate images"), ("trn", "tst", "validation"),
  ]) func partsHaveManyNames(training: String, test: String, validation: String) throws {
    try fill(
      [training, test, validation].flatMap { part in ["cat", "dog"].map { "\(part)/\($0)/1.bmp" } })
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.classNames == ["cat", "dog"])
    #expect(dataset.items.allSatisfy { $0.image.place.contains("/\(training)/") })
    #expect(dataset.validationItems.allSatisfy { $0.image.place.contains("/\(validation)/") })
    #expect(dataset.testItems.allSatisfy { $0.image.place.contains("/\(test)/") })
    #expect(
      dataset.items.count == 2 && dataset.validationItems.count == 2 && dataset.testItems.count == 2
    )
  }

  @Test func whatIsNeitherPartNorClassIsAQuestion() throws {
    try fill(["train/cat/1.bmp", "train/dog/2.bmp", "extra/cat/3.bmp"])
    #expect(message().contains("'extra' holds images, but is neither a part nor a class"))
  }

  @Test func twoFoldersOfOnePartAreAQuestion() throws {
    try fill(["train/cat/1.bmp", "train/dog/2.bmp", "val/cat/3.bmp", "dev/cat/4.bmp"])
    #expect(message().contains("'dev' and 'val' are both for validation"))
  }

  @Test func partsWithoutTrainingAreAQuestion() throws {
    try fill(["val/cat/1.bmp", "val/dog/2.bmp", "test/cat/3.bmp"])
    #expect(message().contains("has folders for test and validation, but none for training"))
  }

  @Test func partsMayLieWithinClasses() throws {
    try fill(["cat/train/1.bmp", "cat/test/2.bmp", "dog/train/3.bmp", "dog/train/4.bmp"])
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.names(dataset.items) == ["cat 1.bmp", "dog 3.bmp", "dog 4.bmp"])
    #expect(dataset.names(dataset.testItems) == ["cat 2.bmp"])
  }

  @Test func everyFileIsAccountedFor() throws {
    try fill([
      "train/cat/1.bmp", "train/dog/2.bmp", "train/dog/@eaDir/2.bmp", "train/cat/._1.bmp",
      "cover.bmp", "__MACOSX/train/cat/1.bmp", "$RECYCLE.BIN/x.bmp", "lost+found/y.bmp",
      "train/cat/.ipynb_checkpoints/1.bmp",
    ])
    for name in ["Thumbs.db", ".DS_Store", "train/a.txt", "train/cat/b.TXT", "c.csv", "README"] {
      try folder.write(name, text: "x")
    }
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.items.count == 2)
    #expect(
      dataset.summary == """
        15 files found, 2 images used, 13 left out: 1 image outside the class folders, \
        8 hidden or system files, 4 files of other kinds (.txt 2, no extension 1, .csv 1)
        """)
    #expect(try ImageDataset.open(folder.path + "/train").summary.hasPrefix("7 files found, 2 "))
  }

  @Test(
    arguments: [
      ("cat_1.bmp", "cat"), ("cat-1.bmp", "cat"), ("cat.1.bmp", "cat"), ("cat (1).bmp", "cat"),
      ("cat(1).bmp", "cat"), ("american_bulldog_101.bmp", "american_bulldog"),
      ("a.b-007.bmp", "a.b"), ("cat.kitty.bmp", "cat"), ("été_2.bmp", "été"), ("1.bmp", nil),
      ("IMG_20210305_123456.bmp", nil), ("2021-03-05.bmp", nil), ("cat1.bmp", nil), ("_1.bmp", nil),
      ("cat.bmp", nil), ("cat_x.bmp", nil), ("(1).bmp", nil),
    ] as [(String, String?)]) func namesEndWithNumbers(name: String, className: String?) throws
  {
    try fill([name, "zebra_1.bmp"])
    guard let className else {
      #expect(message().contains("\(name): its name has no class"))
      return
    }
    #expect(try ImageDataset.open(folder.path).classNames == [className, "zebra"].sorted())
  }

  @Test func imagesWithoutAnyClassAreAnError() throws {
    try fill(["a.bmp", "b.bmp"])
    #expect(
      message().contains("has images, but neither folders nor names like cat.0.jpg or cat_0.jpg"))
  }

  @Test func classesDifferInBytes() throws {
    for name in ["\u{e9}", "e\u{301}", "th\u{10F7E9}"] {
      for number in 0..<3 {
        let path = "\(folder.path)/\(name)"
        _ = FileSystem.makeFolder(path)
        let bytes = TestImage.bmp()
        try bytes.withUnsafeBytes { try AtomicFile.write($0, to: "\(path)/\(number).bmp") }
      }
    }
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.counts(of: dataset.items) == [3, 3, 3])
    let names = dataset.classNames.map { Array($0.utf8) }
    #expect(names == ["e\u{301}", "th\u{10F7E9}", "\u{e9}"].map { Array($0.utf8) })
    #expect(dataset.classNames[1].fileNameBytes == [0x74, 0x68, 0xe9])
    #expect(try dataset.checked(.pixels, maximumBad: 0, threads: 2).dataset.items.count == 9)
  }

  @Test func unknownClassInTestIsAnError() throws {
    try fill(["train/cat/1.bmp", "train/dog/2.bmp", "test/bird/3.bmp"])
    #expect(message().contains("has the class 'bird'"))
  }
}

extension ImageDataset {
  /// The class and the file name of each image.
  fileprivate func names(_ items: [Item]) -> [String] {
    items.map { item in
      "\(classNames[item.label]) \(item.image.place.split(separator: "/").last ?? "")"
    }
  }
}
