import GraftData
import GraftFiles
import TestSupport
import Testing

@Suite struct SplitTests {
  private func dataset(_ counts: [Int], test: Int = 0, validation: Int = 0) -> ImageDataset {
    func item(_ name: String, _ label: Int) -> ImageDataset.Item {
      ImageDataset.Item(image: .file(name), label: label)
    }
    return ImageDataset(
      place: "data", classNames: counts.indices.map { "class\($0)" },
      items: counts.enumerated().flatMap { label, count in
        (0..<count).map { item("\(label)-\($0)", label) }
      },
      validationItems: (0..<validation).map { item("v\($0)", 0) },
      testItems: (0..<test).map { item("t\($0)", 0) })
  }

  private func places(_ items: [ImageDataset.Item]) -> [String] { items.map(\.image.place) }

  @Test(arguments: ["70,15,15", "80,20", "100,0", "33.5, 66.5", "98,1,1"])
  func readsShares(text: String) throws {
    let shares = try SplitShares(text)
    #expect(abs(shares.training + shares.validation + shares.test - 1) < 1e-12)
    #expect(try SplitShares(shares.description) == shares)
  }

  @Test(arguments: [
    "", "70", "70,15", "0,50,50", "50,-10,60", "a,b", "70,15,15,0", "nan,100", "inf,1", "70,,30",
    "1e400,2",
  ])
  func refusesOtherShares(text: String) {
    expectError(.usage, "'\(text)'") { try SplitShares(text) }
  }

  @Test func everyClassIsDividedByShares() throws {
    let data = dataset([100, 40, 20])
    let split = try data.split(SplitShares("70,15,15"), seed: 1)
    #expect(data.counts(of: split.training) == [70, 28, 14])
    #expect(data.counts(of: split.validation) == [15, 6, 3])
    #expect(data.counts(of: split.test) == [15, 6, 3])
    let all = places(split.training) + places(split.validation) + places(split.test)
    #expect(Set(all).count == 160 && all.count == 160)
  }

  @Test func roundingEvensOutOverClasses() throws {
    let data = dataset([Int](repeating: 10, count: 100))
    let split = try data.split(SplitShares("70,15,15"), seed: 1)
    #expect(split.training.count == 700)
    #expect(split.validation.count == 150)
    #expect(split.test.count == 150)
    for part in [split.validation, split.test] {
      #expect(data.counts(of: part).allSatisfy { (1...2).contains($0) })
    }
  }

  @Test(arguments: [[1, 1, 30], [2, 3, 5], [1, 99, 7]])
  func trainingHasEveryClass(counts: [Int]) throws {
    let data = dataset(counts)
    let split = try data.split(SplitShares("50,25,25"), seed: 3)
    #expect(data.counts(of: split.training).allSatisfy { $0 > 0 })
    #expect(
      split.training.count + split.validation.count + split.test.count == counts.reduce(0, +))
  }

  @Test func seedDecides() throws {
    let data = dataset([50, 50])
    let shares = SplitShares.standard
    let first = places(try data.split(shares, seed: 1).training)
    #expect(first == places(try data.split(shares, seed: 1).training))
    #expect(first != places(try data.split(shares, seed: 2).training))
    // Written down: the split of a seed must not change between versions.
    let small = try dataset([6, 6]).split(SplitShares("50,50"), seed: 7)
    #expect(places(small.validation) == ["0-2", "0-3", "0-4", "1-2", "1-3", "1-5"])
  }

  @Test func partsSetApartStay() throws {
    let data = dataset([85, 85], test: 10)
    let split = try data.split(SplitShares("70,15,15"), seed: 1)
    #expect(split.training.count == 140 && split.validation.count == 30)
    #expect(places(split.test) == places(data.testItems))
    let both = dataset([10, 10], test: 1, validation: 2)
    let whole = try both.split(SplitShares("70,15,15"), seed: 1)
    #expect(whole.training.count == 20)
    #expect(whole.validation.count == 2 && whole.test.count == 1)
  }

  @Test func emptyPartIsAnError() throws {
    expectError(.badData, "2 images") {
      try dataset([1, 1]).split(SplitShares("98,1,1"), seed: 1)
    }
  }

  @Test func foldsHaveEachItemOnce() throws {
    let data = dataset([23, 11, 40])
    let folds = try data.folds(count: 5, seed: 1)
    #expect(folds.count == 5)
    #expect(folds.flatMap { places($0.test) }.sorted() == places(data.items).sorted())
    for fold in folds {
      #expect((14...15).contains(fold.test.count))
      #expect(fold.training.count + fold.test.count == 74 && fold.validation.isEmpty)
      #expect(Set(places(fold.training)).isDisjoint(with: places(fold.test)))
      let counts = data.counts(of: fold.test)
      #expect((4...5).contains(counts[0]) && (2...3).contains(counts[1]) && counts[2] == 8)
    }
    expectError(.badData, "12 folds") { try data.folds(count: 12, seed: 1) }
    expectError(.usage, "folds") { try data.folds(count: 1, seed: 1) }
  }
}
