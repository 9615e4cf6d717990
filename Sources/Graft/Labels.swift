import Foundation
import GraftFiles
import GraftModels

/// Names of classes, by index.
package struct Labels: Sendable, Equatable {
  package let names: [String]
  /// The classes' names in WordNet, such as `n01440764`, which folders of ImageNet are called by; `nil` if not known.
  package let wordNetIDs: [String]?
  /// Whether they are the classes of a data set, taken for those of a model that names none.
  private let areOfData: Bool

  package init(names: [String], wordNetIDs: [String]? = nil, areOfData: Bool = false) {
    self.names = names
    self.wordNetIDs = wordNetIDs
    self.areOfData = areOfData
  }

  /// Where a model's metadata keeps its labels: a JSON array, as labels may hold any character. What is no JSON has
  /// one label a line.
  package static let metadataKey = "graft.labels"

  /// The labels in a model's metadata, be they Graft's or those of another tool.
  ///
  /// - Parameter classCount: of the model, if it is known; another tool's names that are not as many are passed over
  /// - Throws: `GraftError` if Graft's own entry has neither form, or another number of labels.
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
        "is neither a JSON array of names nor one name a line: \(text.prefix(40))",
        hint:
          "Give the labels with --labels; 'graft convert MODEL NEW.onnx --labels FILE' writes them anew"
      )
    }
    var names = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
      .map(String.init)
    // The end of the last line begins no other one.
    if names.count > 1, names.last == "", names.count != classCount { names.removeLast() }
    return names
  }

  /// As a model's metadata keeps them.
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

  /// - Parameter classCount: how many scores a network has; one score stands for two classes, or for one
  /// - Throws: `GraftError` if there are more labels or fewer.
  package func check(classCount: Int) throws {
    guard names.count != classCount, classCount != 1 || names.count != 2 else { return }
    let classes = classCount == 1 ? "1 score" : "\(classCount) classes"
    guard !areOfData else {
      throw GraftError.badData(
        "the model has \(classes) without names, and the data have \(names.count): "
          + names.listed(limit: 4),
        hint: "Name the model's with --labels, in the order of its output")
    }
    let labels = names.count == 1 ? "is 1 label" : "are \(names.count) labels"
    throw GraftError.badData(
      "there \(labels), and the model has \(classes)",
      hint: "Give one label for each class with --labels, in the order of the model's output")
  }
}

extension Labels {
  /// The 1,000 classes of ImageNet (ILSVRC 2012), which the name `imagenet` stands for.
  package static let imageNet: Labels = {
    guard let names = try? ModelManifest.labels(named: imageNetName) else {
      preconditionFailure("models/imagenet-labels.txt")
    }
    return Labels(names: names, wordNetIDs: ModelManifest.imageNetWordNetIDs)
  }()

  private static let imageNetName = "imagenet"

  /// Labels as the option says: `imagenet`, or the path of a file.
  ///
  /// - Throws: `GraftError` if the file is missing, which names the list that may be meant, or no list of labels.
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

  /// Where each class of a data set stands among these.
  ///
  /// Classes are compared by name. Folders of ImageNet, whose names are WordNet's (`n01440764`), are told by those.
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

  /// Bytes are compared: names that only look alike are different ones. Of equal names the first one counts.
  private static func positions(_ names: [String]) -> [[UInt8]: Int] {
    Dictionary(zip(names.map { Array($0.utf8) }, names.indices)) { first, _ in first }
  }

  /// WordNet's names where the labels are those of ImageNet, spelled as others spell them, or begin with WordNet's.
  private var impliedWordNetIDs: [String]? {
    let beginnings = names.map { String($0.prefix { !$0.isWhitespace }) }
    if beginnings.allSatisfy(Labels.isWordNetID) { return beginnings }
    guard names.count == Labels.imageNet.names.count else { return nil }
    let agreeing = zip(names, Labels.imageNet.names).count { own, known in
      Labels.plain(own) == Labels.plain(known)
    }
    // Lists differ in a few names, and never in the order.
    return agreeing * 10 >= names.count * 9 ? Labels.imageNet.wordNetIDs : nil
  }

  /// The first of several names, without case and underscores: `Great white shark, white shark` as `great_white_shark`.
  private static func plain(_ name: String) -> String {
    name.prefix { $0 != "," }.lowercased().replacingOccurrences(of: "_", with: " ")
  }

  /// Whether a text is the number of a noun in WordNet, as ImageNet's folders have it.
  static func isWordNetID(_ text: some StringProtocol) -> Bool {
    text.utf8.count == 9 && text.utf8.first == UInt8(ascii: "n")
      && text.utf8.dropFirst().allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }
}
