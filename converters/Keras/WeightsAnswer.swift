import GraftTensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What the reading process says: a listing, or why there is none.
struct WeightsAnswer: Codable {
  private struct Failure: Codable {
    var code: Int32
    var message: String
    var places: [String]
    var hint: String?
  }

  private var weights: WeightsListing?
  private var failure: Failure?

  init(_ listing: WeightsListing) { weights = listing }

  init(_ error: GraftError) {
    failure = Failure(
      code: error.code.rawValue, message: error.message, places: error.places, hint: error.hint)
  }

  /// `nil` if `json` is no answer, as when the process died while it wrote.
  init?(json: Storage) {
    let data = Data(bytes: json.baseAddress, count: json.byteCount)
    guard let answer = try? JSONDecoder().decode(WeightsAnswer.self, from: data) else {
      return nil
    }
    self = answer
  }

  func json() -> [UInt8] { (try? JSONEncoder().encode(self)).map { [UInt8]($0) } ?? [] }

  func listing() throws -> WeightsListing {
    if let weights { return weights }
    guard let failure else { throw GraftError(.software, "an empty answer") }
    throw GraftError(
      GraftError.Code(rawValue: failure.code) ?? .badData, failure.message,
      places: failure.places, hint: failure.hint)
  }
}
