// Every file for a spreadsheet that the house makes: where in the source, and under which name. A new one needs its line here (protocol/csv.test.ts holds
// this against the source) and rows of its own in csv-exports.test.ts or dashboard/ui/saved-csv.test.ts, which hold it against hostile cells.

/** Source -> what it makes. */
export const CSV_FILES: Readonly<Record<string, readonly string[]>> = {
  'gateway/admin/list-routes.ts': ['accounts', 'nodes', 'models'],
  'gateway/ledger/metering/exported.ts': ['spend', 'metering', 'top', 'royalties', 'earnings'],
  'gateway/ledger/payouts/withdrawal-routes.ts': ['payouts'],
  'gateway/ledger/journal/statement-routes.ts': ['statement'],
  'gateway/dashboard/operator/csv.ts': ['saved'],
}
export const GATEWAY_CSV = Object.entries(CSV_FILES)
  .flatMap(([source, names]) => (source.startsWith('gateway/dashboard/') ? [] : names))
  .sort()
