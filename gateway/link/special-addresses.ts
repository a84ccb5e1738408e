// Which IP addresses are not the public internet. The table is IANA's special-purpose registries (RFC 6890 and its updates), read with
// the networks where an IPv4 address hides inside an IPv6 one (mapped, NAT64, 6to4, Teredo). For IPv6 the rule is an allow-list: what is
// outside the global unicast space 2000::/3 is refused even when no registry names it yet.

const SPECIAL_IPV4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, cloud metadata
  '172.16.0.0/12', // private
  '192.0.0.0/24', // IETF protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, limited broadcast
]

const SPECIAL_IPV6 = [
  '::/96', // unspecified, loopback, IPv4-compatible
  '::ffff:0:0/96', // IPv4-mapped
  '64:ff9b::/96', // NAT64
  '64:ff9b:1::/48', // local NAT64
  '100::/64', // discard
  '100:0:0:1::/64', // dummy prefix
  '2001::/23', // IETF protocol assignments: Teredo, benchmarking, ORCHID
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
  '5f00::/16', // SRv6 SIDs
  'fc00::/7', // unique local
  'fe80::/10', // link-local
  'fec0::/10', // site-local, deprecated
  'ff00::/8', // multicast
]

const GLOBAL_UNICAST = '2000::/3'

interface Address {
  readonly bits: bigint
  readonly width: 32 | 128
}
interface Block {
  readonly first: bigint
  readonly shift: bigint
}

/** True for everything that is not a public address, and for text that is no address at all. @param text without brackets */
export function isSpecialAddress(text: string): boolean {
  const address = parseAddress(text)
  if (!address) return true
  if (address.width === 32) return isWithin(address.bits, IPV4_BLOCKS)
  return !isWithin(address.bits, GLOBAL_BLOCKS) || isWithin(address.bits, IPV6_BLOCKS)
}

/** 127.0.0.0/8 and ::1. @param text without brackets */
export function isLoopbackAddress(text: string): boolean {
  const address = parseAddress(text)
  if (!address) return false
  return address.width === 32 ? address.bits >> 24n === 127n : address.bits === 1n
}

/** Dotted IPv4 or any textual IPv6, also with an embedded IPv4; no zone, no brackets. Null for anything else. */
export function parseAddress(text: string): Address | null {
  const ipv4 = parseIpv4(text)
  if (ipv4 !== null) return { bits: ipv4, width: 32 }
  const ipv6 = text.includes(':') ? parseIpv6(text) : null
  return ipv6 === null ? null : { bits: ipv6, width: 128 }
}

function parseIpv4(text: string): bigint | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return null
  const octets = match.slice(1).map(BigInt)
  return octets.some((octet) => octet > 255n) ? null : octets.reduce((bits, octet) => (bits << 8n) | octet, 0n)
}

function parseIpv6(text: string): bigint | null {
  const halves = withoutEmbeddedIpv4(text).split('::')
  if (halves.length > 2) return null
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const zeros = 8 - head.length - tail.length
  if (halves.length === 2 ? zeros < 1 : zeros !== 0) return null
  const groups = [...head, ...Array<string>(zeros).fill('0'), ...tail]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n)
}

/** `::ffff:127.0.0.1` -> `::ffff:7f00:1`. */
function withoutEmbeddedIpv4(text: string): string {
  const start = text.lastIndexOf(':') + 1
  const ipv4 = parseIpv4(text.slice(start))
  if (ipv4 === null) return text
  return `${text.slice(0, start)}${(ipv4 >> 16n).toString(16)}:${(ipv4 & 0xffffn).toString(16)}`
}

function parseBlock(cidr: string): Block {
  const [text = '', length = ''] = cidr.split('/')
  const address = parseAddress(text)
  if (!address) throw new TypeError(`not a block: ${cidr}`)
  const shift = BigInt(address.width - Number(length))
  return { first: address.bits >> shift, shift }
}

const isWithin = (bits: bigint, blocks: readonly Block[]): boolean =>
  blocks.some((block) => bits >> block.shift === block.first)

const IPV4_BLOCKS = SPECIAL_IPV4.map(parseBlock)
const IPV6_BLOCKS = SPECIAL_IPV6.map(parseBlock)
const GLOBAL_BLOCKS = [parseBlock(GLOBAL_UNICAST)]
