import FoundationEssentials
import GraftFiles
import GraftModels

/// The names of classes, by index.
package struct Labels: Sendable, Equatable {
  package let names: [String]
  /// The WordNet IDs of the classes, such as `n01440764`, which ImageNet uses as folder names;
  /// `nil` if unknown.
  package let wordNetIDs: [String]?
  /// Whether they come from a dataset, for a model without labels.
  private let areOfData: Bool

  package init(names: [String], wordNetIDs: [String]? = nil, areOfData: Bool = false) {
    self.names = names
    self.wordNetIDs = wordNetIDs
    self.areOfData = areOfData
  }

  /// The metadata key of a model's labels: a JSON array, as labels may contain any character. Text
  /// other than JSON has one label per line.
  package static let metadataKey = "graft.labels"

  /// The labels in a model's metadata, from Graft or another tool.
  ///
  /// - Parameter classCount: of the model, if known; another tool's names are ignored if their
  ///   number differs
  /// - Throws: `GraftError` if Graft's own entry has neither form, or another number of labels
  package init?(metadata: [ByteString: String], classCount: Int?) throws {
    guard let text = metadata[Labels.metadataKey], !text.isEmpty else {
      guard let names = ClassMetadata.names(in: metadata) else { return nil }
      guard classCount == nil || names.count == classCount || (names.count, classCount) == (2, 1)
      else { return nil }
      self.init(names: names)
      return
    }
    let names = try withPlace("metadata '\(Labels.metadataKey)'") {
      let names = try Labels.names(inMetadata: text, classCount: classCount)
      if let classCount { try Labels(names: names).check(classCount: classCount) }
      return names
    }
    self.init(names: names)
  }

  private static func names(inMetadata text: String, classCount: Int?) throws -> [String] {
    if let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) { return names }
    guard !isJSON(text) else {
      throw GraftError.badData(
        "is neither a JSON array of names nor one name per line: \(text.prefix(40))",
        hint:
          "Use --labels; 'graft convert MODEL NEW.onnx --labels FILE' stores new labels"
      )
    }
    var names = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
      .map(String.init)
    // The end of the last line does not start another one.
    if names.count > 1, names.last == "", names.count != classCount { names.removeLast() }
    return names
  }

  /// The form in a model's metadata.
  package var metadataValue: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    guard let json = try? encoder.encode(names) else {
      preconditionFailure("strings have a JSON form")
    }
    return String(decoding: json, as: UTF8.self)
  }

  package func name(of index: Int) -> String? {
    names.indices.contains(index) && !names[index].isEmpty ? names[index] : nil
  }

  /// - Parameter classCount: the number of a network's scores; one score stands for two classes or
  ///   for one
  /// - Throws: `GraftError` if the numbers of labels and classes differ
  package func check(classCount: Int) throws {
    guard names.count != classCount, classCount != 1 || names.count != 2 else { return }
    let classes = classCount == 1 ? "1 score" : "\(classCount) classes"
    guard !areOfData else {
      throw GraftError.badData(
        "the model has \(classes) without names, but the data have \(names.count): "
          + names.listed(limit: 4),
        hint: "Name them with --labels, in the order of the model's output")
    }
    let labels = names.count == 1 ? "is 1 label" : "are \(names.count) labels"
    throw GraftError.badData(
      "there \(labels), but the model has \(classes)",
      hint: "Use one label per class with --labels, in the order of the model's output")
  }
}

extension Labels {
  /// The 1,000 classes of ImageNet (ILSVRC 2012), named `imagenet`.
  package static let imageNet: Labels = {
    guard let names = try? ModelManifest.labels(named: imageNetName) else {
      preconditionFailure("models/imagenet-labels.txt")
    }
    return Labels(names: names, wordNetIDs: ModelManifest.imageNetWordNetIDs)
  }()

  private static let imageNetName = "imagenet"

  /// The labels of the option: `imagenet`, or the path of a file.
  ///
  /// - Throws: `GraftError` if the file is missing or not a list of labels; suggests a list with a
  ///   similar name
  package static func named(_ text: String) throws -> Labels {
    if text == imageNetName { return imageNet }
    do {
      return try read(path: text)
    } catch var error as GraftError {
      if !FileSystem.exists(text), let near = nearestNamesHint(text, among: [imageNetName]) {
        error.hint = near
      }
      throw error
    }
  }

  /// The positions of a dataset's classes among these labels.
  ///
  /// Classes are compared by name, and ImageNet's folders by WordNet ID (`n01440764`).
  /// - Returns: `nil` for a class that is not among them
  package func positions(of classNames: [String]) -> [Int?] {
    let positions = Labels.positions(names)
    let found = classNames.map { positions[Array($0.utf8)] }
    guard found.contains(nil), classNames.allSatisfy(Labels.isWordNetID),
      let ids = wordNetIDs ?? impliedWordNetIDs
    else { return found }
    let byID = Labels.positions(ids)
    return classNames.map { byID[Array($0.utf8)] }
  }

  /// Compares bytes: similar-looking names are different. Of equal names the first one counts.
  private static func positions(_ names: [String]) -> [[UInt8]: Int] {
    Dictionary(zip(names.map { Array($0.utf8) }, names.indices)) { first, _ in first }
  }

  /// WordNet IDs if the labels are ImageNet's, also in other spellings, or start with WordNet IDs.
  private var impliedWordNetIDs: [String]? {
    let beginnings = names.map { String($0.prefix { !$0.isWhitespace }) }
    if beginnings.allSatisfy(Labels.isWordNetID) { return beginnings }
    guard names.count == Labels.imageNet.names.count else { return nil }
    let agreeing = zip(names, Labels.imageNet.names).count { own, known in
      Labels.plain(own) == Labels.plain(known)
    }
    // Lists differ in a few names, but never in the order.
    return agreeing * 10 >= names.count * 9 ? Labels.imageNet.wordNetIDs : nil
  }

  /// The first of several names, in lower case with underscores: `great_white_shark` for `Great
  /// white shark, white shark`.
  private static func plain(_ name: String) -> String {
    name.prefix { $0 != "," }.lowercased().replacing(["_": " "])
  }

  /// Whether a text is a WordNet noun ID, like the names of ImageNet's folders.
  static func isWordNetID(_ text: some StringProtocol) -> Bool {
    text.utf8.count == 9 && text.utf8.first == UInt8(ascii: "n")
      && text.utf8.dropFirst().allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }
}
