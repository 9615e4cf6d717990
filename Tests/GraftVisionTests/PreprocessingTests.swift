import GraftFiles
import GraftTensor
import GraftVision
import TestSupport
import Testing

@Suite struct PreprocessingTests {
  private static let small = ResizeRule.exact(ImageSize(width: 16, height: 12))

  private static func preprocessing(
    _ scheme: Preprocessing.Scheme, channelCount: Int = 3,
    _ change: (inout Preprocessing) -> Void = { $0.resize = small }
  ) -> Preprocessing {
    var preprocessing = Preprocessing(scheme, channelCount: channelCount)
    change(&preprocessing)
    return preprocessing
  }

  private static let cases: [(name: String, preprocessing: Preprocessing)] = [
    ("keras-caffe", preprocessing(.kerasCaffe)),
    ("keras-tf", preprocessing(.kerasTensorFlow)),
    (
      "torch",
      preprocessing(.torch) {
        $0.resize = .shorter(20)
        $0.crop = ImageSize(width: 16, height: 12)
      }
    ),
    (
      "unit",
      preprocessing(.unit) {
        $0.resize = small
        $0.interpolation = .bicubic
      }
    ),
    ("unit-grey", preprocessing(.unit, channelCount: 1)),
    (
      "keras-tf-bilinear",
      preprocessing(.kerasTensorFlow) {
        $0.resize = .exact(ImageSize(width: 24, height: 20))
        $0.crop = ImageSize(width: 16, height: 12)
        $0.interpolation = .tensorFlowBilinear
      }
    ),
  ]

  private func source() throws -> Image {
    try Image.decode(Fixtures.bytes("source.png"), place: "source.png")
  }

  /// Exactly where the image has 8 bits; TensorFlow's resizing within 1e-6 of 1.
  @Test(arguments: cases.map(\.name))
  func computesWhatTheLibraryDoes(name: String) throws {
    var preprocessing = try #require(Self.cases.first { $0.name == name }).preprocessing
    let expected = try Fixtures.expectedFloats("preprocessed-\(name)")
    let tolerance: Float = name == "keras-tf-bilinear" ? 1e-6 : 0

    preprocessing.layout = .channelsLast
    let last = try Preprocessor(preprocessing).tensor(for: source())
    #expect(last.shape == [1] + expected.shape)
    #expect(largestDifference(try last.elements(), expected.values) <= tolerance)

    preprocessing.layout = .channelsFirst
    let first = try Preprocessor(preprocessing).tensor(for: source())
    let channelCount = expected.shape[2]
    let pixelCount = expected.values.count / channelCount
    #expect(first.shape == [1, channelCount, 12, 16])
    let transposed = (0..<channelCount).flatMap { channel in
      (0..<pixelCount).map { expected.values[$0 * channelCount + channel] }
    }
    #expect(largestDifference(try first.elements(), transposed) <= tolerance)
  }

  @Test func fillsItsPartOfABatch() throws {
    let preprocessor = try Preprocessor(Self.preprocessing(.none))
    var batch = [Float](repeating: -1, count: 2 * 3 * 12 * 16)
    let single = try preprocessor.tensor(for: source()).elements(as: Float.self)
    try batch.withUnsafeMutableBufferPointer {
      try preprocessor.write(source(), to: .init(rebasing: $0[single.count...]))
    }
    #expect(batch[..<single.count].allSatisfy { $0 == -1 })
    #expect(Array(batch[single.count...]) == single)
    expectError(.badData, "input") {
      try batch.withUnsafeMutableBufferPointer { try preprocessor.write(source(), to: $0) }
    }
  }

  @Test func hasTheDefaultsOfTheLibraries() throws {
    let size = ImageSize(width: 500, height: 375)
    let square = ImageSize(width: 224, height: 224)
    for scheme in [Preprocessing.Scheme.kerasCaffe, .kerasTensorFlow, .torch] {
      #expect(try Preprocessor(Preprocessing(scheme)).outputSize(for: size) == square)
    }
    #expect(Preprocessing(.kerasCaffe).interpolation == .nearest)
    #expect(Preprocessing(.torch).interpolation == .bilinear)
    #expect(Preprocessing(.torch).resize == .shorter(256))
    #expect(try Preprocessor(Preprocessing(.unit)).outputSize(for: size) == size)
    let fitted = Preprocessing(.unit).fitted(to: ImageSize(width: 28, height: 30))
    #expect(try Preprocessor(fitted).outputSize(for: size).description == "28x30")
    #expect(Preprocessing(.torch).fitted(to: size) == Preprocessing(.torch))
  }

  @Test func wantsColorsWhereTheSchemeDoes() {
    for scheme in [Preprocessing.Scheme.kerasCaffe, .torch] {
      expectError(.usage, scheme.rawValue, "1 channels") {
        try Preprocessor(Preprocessing(scheme, channelCount: 1))
      }
    }
    expectError(.usage, "2 channels") { try Preprocessor(Preprocessing(.unit, channelCount: 2)) }
  }

  @Test(arguments: cases.map(\.name))
  func survivesMetadata(name: String) throws {
    let preprocessing = try #require(Self.cases.first { $0.name == name }).preprocessing
    #expect(try Preprocessing(metadata: preprocessing.metadata) == preprocessing)
  }

  @Test func readsPartialAndWrongMetadata() throws {
    #expect(try Preprocessing(metadata: ["author": "somebody"]) == nil)
    let name = ByteString(Preprocessing.MetadataKey.name.rawValue)
    #expect(try Preprocessing(metadata: [name: "torch"]) == Preprocessing(.torch))
    #expect(try Preprocessing(metadata: [name: "unit"])?.appliesOrientation == true)
    var asStored = Preprocessing(.unit)
    asStored.appliesOrientation = false
    #expect(try Preprocessing(metadata: asStored.metadata) == asStored)
    let torch = try #require(
      try Preprocessing(metadata: asStored.metadata, choices: .init(scheme: .torch)))
    #expect(!torch.appliesOrientation)
    #expect(torch.resize == .shorter(256))
    let whole = Preprocessing(.none).metadata
    #expect(try Preprocessing(metadata: whole) == Preprocessing(.none))
    for key in Preprocessing.MetadataKey.allCases {
      var damaged = whole
      damaged[key.rawValue] = "-7"
      let error = #expect(throws: GraftError.self) { try Preprocessing(metadata: damaged) }
      #expect(error?.code == .badData)
      #expect(error?.places == ["metadata '\(key.rawValue)'"])
    }
    var unnamed = whole
    unnamed[name] = nil
    let missing = #expect(throws: GraftError.self) { try Preprocessing(metadata: unnamed) }
    #expect(missing?.code == .badData)
    #expect(missing?.places == ["metadata 'graft.preprocessing.name'"])
    #expect(
      try Preprocessing(
        metadata: unnamed, choices: .init(scheme: Preprocessing.Scheme.none))
        == Preprocessing(.none))
    var unknown = whole
    unknown["graft.preprocessing.mean"] = "nan"
    let refused = #expect(throws: GraftError.self) { try Preprocessing(metadata: unknown) }
    #expect(refused?.places == ["metadata 'graft.preprocessing.mean'"])
    #expect(refused?.message.contains("'nan'") == true)
  }

  @Test func doesNotReadWhatWasSaidDifferently() throws {
    var damaged = Preprocessing(.torch).metadata
    for key in [Preprocessing.MetadataKey.name, .resize, .crop, .interpolation, .orientation] {
      damaged[ByteString(key.rawValue)] = "-7"
    }
    var choices = Preprocessing.Choices(scheme: .torch)
    choices.resize = .some(.shorter(32))
    choices.crop = .some(nil)
    choices.interpolation = .bicubic
    choices.appliesOrientation = false
    let said = try #require(try Preprocessing(metadata: damaged, choices: choices))
    #expect(said.scheme == .torch)
    #expect(said.resize == .shorter(32))
    #expect(said.crop == nil)
    #expect(said.interpolation == .bicubic)
    #expect(!said.appliesOrientation)
    // The sizes of another scheme are not read, either.
    var other = damaged
    other[ByteString(Preprocessing.MetadataKey.name.rawValue)] = "unit"
    choices = Preprocessing.Choices(scheme: .torch)
    choices.appliesOrientation = true
    #expect(try Preprocessing(metadata: other, choices: choices) == Preprocessing(.torch))
  }

  @Test func cropsNoMoreThanResizingLeaves() throws {
    func crop(_ resize: String?, _ crop: String? = nil) throws -> String? {
      var preprocessing = Preprocessing(.none)
      preprocessing.resize = .exact(ImageSize(width: 64, height: 64))
      preprocessing.crop = ImageSize(width: 64, height: 48)
      var choices = Preprocessing.Choices()
      choices.resize = try resize.map { try Preprocessing.parseResize($0) }
      choices.crop = try crop.map { try Preprocessing.parseCrop($0) }
      return try Preprocessing(metadata: preprocessing.metadata, choices: choices)?.crop?
        .shortDescription
    }
    #expect(try crop("80") == "64x48")
    #expect(try crop("32") == "32")
    #expect(try crop("80x40") == "64x40")
    #expect(try crop("shorter:48") == "64x48")
    #expect(try crop("shorter:16") == "16")
    #expect(try crop("none") == "64x48")
    #expect(try crop("32", "none") == nil)
    #expect(try crop("32", "16") == "16")
    let tooLarge: [(resize: String?, crop: String)] = [
      ("32", "64"), ("shorter:16", "64x32"), (nil, "65"),
    ]
    for (resize, size) in tooLarge {
      expectError(.usage, "a crop of \(size)") { try crop(resize, size) }
    }
  }
}
