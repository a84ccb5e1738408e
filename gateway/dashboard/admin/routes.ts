// The pages of `admin` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'
import { listSearch, meteringSearch, moneySearch } from './search.ts'

const getParentRoute = () => root

export const adminRoutes = [
  createRoute({
    getParentRoute,
    path: '/admin',
    validateSearch: meteringSearch,
    component: lazyRouteComponent(() => import('./metering.tsx'), 'MeteringPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/accounts',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./accounts.tsx'), 'AccountsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/accounts/$accountId',
    component: lazyRouteComponent(() => import('./account.tsx'), 'AccountPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/nodes',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./nodes.tsx'), 'AdminNodesPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/nodes/$nodeId',
    component: lazyRouteComponent(() => import('./node.tsx'), 'AdminNodePage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/models',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./models.tsx'), 'AdminModelsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/ledger',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./ledger.tsx'), 'LedgerPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/disputes',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./disputes.tsx'), 'DisputesPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/reports',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./reports.tsx'), 'ReportsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/money',
    validateSearch: moneySearch,
    component: lazyRouteComponent(() => import('./money.tsx'), 'MoneyPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/parameters',
    component: lazyRouteComponent(() => import('./parameters.tsx'), 'ParametersPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/log',
    component: lazyRouteComponent(() => import('./log.tsx'), 'LogPage'),
  }),
] as const
