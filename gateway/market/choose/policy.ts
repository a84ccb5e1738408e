// The numbers of the choice, each with its reason. They are part of what every operator may know: a node's traffic can be computed from them.
export const CHOOSE = {
  /** offers above cheapest × this are left out, unless the caller names a maximum */
  priceCap: 2,
  /** exploration reaches up to cheapest × this */
  exploreCap: 1.25,
  /** share of calls whose first node is drawn evenly */
  exploreShare: 0.01,
  /** exploration reaches nobody whom audits trust less: it finds out who has become faster, not who has become honest */
  exploreTrustMin: 0.5,
  /** nanos per million units: what costs less ($0.001) costs nothing, and no price of nothing is undercut */
  floorPerMillion: 1_000_000,
  /** the same for tensor bytes ($0.0001): a token is a few bytes */
  bytesFloorPerMillion: 100_000,
  /** k of success^k */
  successPower: 4,
  /** what unknown health counts as: a bit worse than a good node */
  unknownSuccess: 0.8,
  unknownSpeed: 0.5,
  /** the slowest counts no less than this against the fastest */
  speedFloor: 0.25,
  /** where the house has set no other share */
  probationWeight: 0.2,
  /** an offer on trial counts as one that never failed: its breaker lets one call in at a time and waits twice as long after each that fails */
  trialSuccess: 1,
  /** an offer whose breaker is ignored, because too many are broken */
  brokenWeight: 0.1,
  /** more broken ones than this share of those that fit, and it is not the nodes: breakers are ignored (Envoy's panic threshold) */
  panicShare: 0.5,
  /** a node that refused every call as busy keeps this: it has to be found free again */
  busyFloor: 0.1,
  /** a node that is not known to stand on the caller's continent: the way there and back is a good part of a first token */
  farWeight: 0.5,
  /** nobody who may be asked weighs nothing: who is the last one is asked */
  leastWeight: 1e-12,
  /** candidates an explanation names; the others are counted */
  explained: 32,
} as const
