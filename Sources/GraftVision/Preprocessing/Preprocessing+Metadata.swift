import GraftFiles

/// Preprocessing as text in a model's metadata: one entry for each property.
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

  /// How to treat an image's EXIF orientation.
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

  /// The preprocessing in the metadata, overridden by the choices; `nil` if neither has a scheme.
  /// Missing properties have the scheme's defaults. If another scheme is chosen, sizes and
  /// interpolation do too.
  ///
  /// - Throws: `GraftError` that names an invalid, unknown or missing entry, or if a chosen crop is
  ///   impossible
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
        "is not a known preprocessing property; its value is '\(metadata[unknown] ?? "")'",
        hint: "Remove the entry from the file; valid properties are "
          + MetadataKey.allCases.map(\.rawValue).joined(separator: ", ")
      ).at("metadata '\(unknown)'")
    }
    guard let scheme = try choices.scheme ?? read(.name, Scheme.init(named:)) else {
      guard let first = given.first else { return nil }
      throw GraftError.badData(
        "is missing, but '\(first)' is present", hint: "Use --preprocess NAME"
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

  /// Reads the forms of ``ResizeRule/init(text:)``, and `none`.
  package static func parseResize(_ text: String) throws -> ResizeRule? {
    text == absent ? nil : try ResizeRule(text: text)
  }

  /// Reads `224`, `320x240` (width and height), and `none`.
  package static func parseCrop(_ text: String) throws -> ImageSize? {
    text == absent ? nil : try ImageSize(text: text, "crop size", forms: "224, 320x240 or none")
  }

  private static func parseChannelCount(_ text: String) throws -> Int {
    guard let count = Int(text), count == 1 || count == 3 else {
      throw GraftError.badData("invalid number of channels '\(text)'", hint: "Use 1 or 3")
    }
    return count
  }

  private static func parseOrientation(_ text: String) throws -> OrientationRule {
    guard let rule = OrientationRule(rawValue: text) else {
      throw GraftError.badData(
        "unknown orientation rule '\(text)'", hint: "Use applied or ignored")
    }
    return rule
  }

  private static func parseLayout(_ text: String) throws -> Layout {
    guard let layout = Layout(rawValue: text) else {
      throw GraftError.badData("unknown layout '\(text)'", hint: "Use NCHW or NHWC")
    }
    return layout
  }
}
