import GraftFiles

/// Preprocessing as text, the way it lives in a model's metadata: one entry for each property.
extension Preprocessing {
  private static let metadataPrefix = "graft.preprocessing."

  package enum MetadataKey: String, CaseIterable {
    case name = "graft.preprocessing.name"
    case resize = "graft.preprocessing.resize"
    case crop = "graft.preprocessing.crop"
    case interpolation = "graft.preprocessing.interpolation"
    case channels = "graft.preprocessing.channels"
    case layout = "graft.preprocessing.layout"
    case orientation = "graft.preprocessing.orientation"
  }

  /// What becomes of the orientation that images say they have.
  private enum OrientationRule: String {
    case applied, ignored
  }

  private static let absent = "none"

  package var metadata: [ByteString: String] {
    let entries: [MetadataKey: String] = [
      .name: scheme.rawValue,
      .resize: resize?.description ?? Preprocessing.absent,
      .crop: crop?.shortDescription ?? Preprocessing.absent,
      .interpolation: interpolation.rawValue,
      .channels: "\(channelCount)",
      .layout: layout.rawValue,
      .orientation: (appliesOrientation ? OrientationRule.applied : .ignored).rawValue,
    ]
    return Dictionary(uniqueKeysWithValues: entries.map { (ByteString($0.key.rawValue), $0.value) })
  }

  /// What the metadata say, but for what people say instead; `nil` if neither mentions a scheme. Properties that are
  /// missing are as the scheme has them, and so are sizes and interpolation that go with another scheme.
  ///
  /// - Throws: `GraftError` that names the entry which makes no sense, is not known, or is missing, or if a crop that
  ///   was chosen cannot be.
  package init?(metadata: [ByteString: String], choices: Choices = Choices()) throws {
    var replaced = choices.replacedKeys
    func read<Value>(_ key: MetadataKey, _ parse: (String) throws -> Value) throws -> Value? {
      guard !replaced.contains(key), let text = metadata[key.rawValue] else { return nil }
      do {
        return try withPlace("metadata '\(key.rawValue)'") { try parse(text) }
      } catch var error as GraftError {
        error.code = .badData
        throw error
      }
    }

    let given = metadata.keys.filter { $0.text.hasPrefix(Preprocessing.metadataPrefix) }.sorted()
    if let unknown = given.first(where: { MetadataKey(rawValue: $0.text) == nil }) {
      throw GraftError.badData(
        "is no property of preprocessing that is known; its value is '\(metadata[unknown] ?? "")'",
        hint: "Remove the entry from the file; known are "
          + MetadataKey.allCases.map(\.rawValue).joined(separator: ", ")
      ).at("metadata '\(unknown)'")
    }
    guard let scheme = try choices.scheme ?? read(.name, Scheme.init(named:)) else {
      guard let first = given.first else { return nil }
      throw GraftError.badData(
        "is missing, though '\(first)' is there", hint: "Say it with --preprocess NAME"
      ).at("metadata '\(MetadataKey.name.rawValue)'")
    }
    self.init(scheme)
    if let own = metadata[MetadataKey.name.rawValue].flatMap(Scheme.init(rawValue:)), own != scheme
    {
      replaced.formUnion([.resize, .crop, .interpolation])
    }
    if let rule = try read(.resize, Preprocessing.parseResize) { resize = rule }
    if let size = try read(.crop, Preprocessing.parseCrop) { crop = size }
    if let value = try read(.interpolation, Interpolation.init(named:)) { interpolation = value }
    if let count = try read(.channels, Preprocessing.parseChannelCount) { channelCount = count }
    if let value = try read(.layout, Preprocessing.parseLayout) { layout = value }
    if let rule = try read(.orientation, Preprocessing.parseOrientation) {
      appliesOrientation = rule == .applied
    }
    try apply(choices)
  }

  /// Reads what ``ResizeRule/init(text:)`` reads, and `none`.
  package static func parseResize(_ text: String) throws -> ResizeRule? {
    text == absent ? nil : try ResizeRule(text: text)
  }

  /// Reads `224`, `320x240` (width and height), and `none`.
  package static func parseCrop(_ text: String) throws -> ImageSize? {
    if text == absent { return nil }
    guard let size = ImageSize(text: text) else {
      throw GraftError.usage(
        "'\(text)' is no size to crop to",
        hint: "Write 224 for both sides, or 320x240 for width and height.")
    }
    return size
  }

  private static func parseChannelCount(_ text: String) throws -> Int {
    guard let count = Int(text), count == 1 || count == 3 else {
      throw GraftError.badData("'\(text)' is no number of channels", hint: "Known are 1 and 3.")
    }
    return count
  }

  private static func parseOrientation(_ text: String) throws -> OrientationRule {
    guard let rule = OrientationRule(rawValue: text) else {
      throw GraftError.badData(
        "unknown rule of orientation '\(text)'", hint: "Known are applied and ignored.")
    }
    return rule
  }

  private static func parseLayout(_ text: String) throws -> Layout {
    guard let layout = Layout(rawValue: text) else {
      throw GraftError.badData("unknown layout '\(text)'", hint: "Known are NCHW and NHWC.")
    }
    return layout
  }
}
