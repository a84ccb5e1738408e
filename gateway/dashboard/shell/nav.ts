// What the side bar lists, by who looks. A section is shown to who has its role; everybody sees the market.
import type { LinkProps } from '@tanstack/react-router'
import type { Role } from '../../../protocol/auth.ts'

export interface NavSection {
  readonly title: string
  /** null: for everybody, also without signing in */
  readonly role: Role | null
  /** who has this role has a section of their own instead */
  readonly unless?: Role
  readonly links: readonly { readonly to: NonNullable<LinkProps['to']>; readonly label: string }[]
}

const NAV: readonly NavSection[] = [
  {
    title: 'Market',
    role: null,
    links: [
      { to: '/', label: 'Models and prices' },
      { to: '/status', label: 'Status' },
    ],
  },
  {
    title: 'Your account',
    role: 'consumer',
    links: [
      { to: '/overview', label: 'Overview' },
      { to: '/playground', label: 'Playground' },
      { to: '/calls', label: 'Calls' },
      { to: '/keys', label: 'API keys' },
      { to: '/billing', label: 'Billing' },
      { to: '/alerts', label: 'Alerts and webhooks' },
      { to: '/settings', label: 'Settings' },
    ],
  },
  {
    title: 'Operator',
    role: 'operator',
    links: [
      { to: '/nodes', label: 'Nodes' },
      { to: '/earnings', label: 'Earnings' },
      { to: '/serving', label: 'Models you serve' },
    ],
  },
  {
    // The page says how a machine is brought in.
    title: 'Operator',
    role: null,
    unless: 'operator',
    links: [{ to: '/nodes', label: 'Offer your machine' }],
  },
  {
    title: 'Author',
    role: 'author',
    links: [{ to: '/publications', label: 'Your models' }],
  },
  {
    title: 'House',
    role: 'admin',
    links: [
      { to: '/admin', label: 'Metering' },
      { to: '/admin/accounts', label: 'Accounts' },
      { to: '/admin/nodes', label: 'Nodes' },
      { to: '/admin/models', label: 'Models' },
      { to: '/admin/ledger', label: 'Ledger' },
      { to: '/admin/disputes', label: 'Disputes' },
      { to: '/admin/reports', label: 'Reports' },
      { to: '/admin/money', label: 'Grants and payouts' },
      { to: '/admin/parameters', label: 'Parameters' },
      { to: '/admin/log', label: 'Log' },
    ],
  },
]

/** @param roles of who looks; none: nobody is signed in */
export const sectionsFor = (roles: readonly Role[]): readonly NavSection[] =>
  NAV.filter(
    ({ role, unless }) => (role === null || roles.includes(role)) && !(unless !== undefined && roles.includes(unless)),
  )
