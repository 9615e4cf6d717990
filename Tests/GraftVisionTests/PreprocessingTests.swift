import GraftTensor
import Testing

import GraftVision

@Suite struct PreprocessingTests {
  private static let small = ResizeRule.exact(PictureSize(width: 16, height: 12))

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
        $0.crop = PictureSize(width: 16, height: 12)
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
        $0.resize = .exact(PictureSize(width: 24, height: 20))
        $0.crop = PictureSize(width: 16, height: 12)
        $0.interpolation = .tensorFlowBilinear
      }
    ),
  ]

  private func source() throws -> Image {
    try Image.decode(Fixtures.bytes("source.png"), place: "source.png")
  }

  /// Exactly where the picture has 8 bits; TensorFlow's resizing within 1e-6 of 1.
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
    #expect(throws: GraftError.self) {
      try batch.withUnsafeMutableBufferPointer { try preprocessor.write(source(), to: $0) }
    }
  }

  @Test func hasTheDefaultsOfTheLibraries() throws {
    let size = PictureSize(width: 500, height: 375)
    let square = PictureSize(width: 224, height: 224)
    for scheme in [Preprocessing.Scheme.kerasCaffe, .kerasTensorFlow, .torch] {
      #expect(try Preprocessor(Preprocessing(scheme)).outputSize(for: size) == square)
    }
    #expect(Preprocessing(.kerasCaffe).interpolation == .nearest)
    #expect(Preprocessing(.torch).interpolation == .bilinear)
    #expect(Preprocessing(.torch).resize == .shorter(256))
    #expect(try Preprocessor(Preprocessing(.unit)).outputSize(for: size) == size)
    let fitted = Preprocessing(.unit).fitted(to: PictureSize(width: 28, height: 30))
    #expect(try Preprocessor(fitted).outputSize(for: size).description == "28x30")
    #expect(Preprocessing(.torch).fitted(to: size) == Preprocessing(.torch))
  }

  @Test func wantsColorsWhereTheSchemeDoes() {
    for scheme in [Preprocessing.Scheme.kerasCaffe, .torch] {
      #expect(throws: GraftError.self) {
        try Preprocessor(Preprocessing(scheme, channelCount: 1))
      }
    }
    #expect(throws: GraftError.self) { try Preprocessor(Preprocessing(.unit, channelCount: 2)) }
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
    #expect(!asStored.replacing(scheme: .torch).appliesOrientation)
    #expect(asStored.replacing(scheme: .torch).resize == .shorter(256))
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
      try Preprocessing(metadata: unnamed, scheme: Preprocessing.Scheme.none)
        == Preprocessing(.none))
    var unknown = whole
    unknown["graft.preprocessing.mean"] = "nan"
    let refused = #expect(throws: GraftError.self) { try Preprocessing(metadata: unknown) }
    #expect(refused?.places == ["metadata 'graft.preprocessing.mean'"])
    #expect(refused?.message.contains("'nan'") == true)
  }
}
