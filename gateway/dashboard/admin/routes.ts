// The pages of `admin` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'

const getParentRoute = () => root

export const adminRoutes = [
  createRoute({
    getParentRoute,
    path: '/admin',
    component: lazyRouteComponent(() => import('./metering.tsx'), 'MeteringPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/accounts',
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
    component: lazyRouteComponent(() => import('./models.tsx'), 'AdminModelsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/ledger',
    component: lazyRouteComponent(() => import('./ledger.tsx'), 'LedgerPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/disputes',
    component: lazyRouteComponent(() => import('./disputes.tsx'), 'DisputesPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/reports',
    component: lazyRouteComponent(() => import('./reports.tsx'), 'ReportsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/admin/money',
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
