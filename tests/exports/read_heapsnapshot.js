// Reads a heap snapshot with memlab's engine, which computes dominators of its own, and prints what it sees.
const { getFullHeapFromFile } = require("@memlab/heap-analysis");

async function main(file, type) {
  const log = console.log;
  console.log = () => {};
  const heap = await getFullHeapFromFile(file);
  const seen = { nodes: 0, edges: 0, bytes: 0, retained: heap.nodes.get(0).retainedSize };
  heap.nodes.forEach((node) => {
    if (node.type !== "synthetic") seen.nodes += 1;
    seen.edges += node.edge_count;
    seen.bytes += node.self_size;
    if (node.name === type) {
      seen.holder = node.retainedSize;
      seen.path = [];
      for (let at = node; at && at.pathEdge; at = at.pathEdge.fromNode) seen.path.unshift(at.pathEdge.name_or_index);
    }
  });
  log("\n" + JSON.stringify(seen));
}

main(process.argv[2], process.argv[3]);
