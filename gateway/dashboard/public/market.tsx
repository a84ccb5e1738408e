// Models and prices.
import { Page } from '../ui/state.tsx'

export function MarketPage() {
  return <Page title="Models and prices">{null}</Page>
}
