// What NetworkPolicies allow, by Cyclonus' simulator: the policies and the connections on standard input, one boolean a
// connection on standard output.
package main

import (
	"encoding/json"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Peer is one end of a connection: a pod, or, without a namespace, something outside the cluster.
type Peer struct {
	IP              string            `json:"ip"`
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	PodLabels       map[string]string `json:"podLabels"`
}

// Connection is an attempt to connect to a port.
type Connection struct {
	From     Peer   `json:"from"`
	To       Peer   `json:"to"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
}

func (peer Peer) traffic() *matcher.TrafficPeer {
	result := &matcher.TrafficPeer{IP: peer.IP}
	if peer.Namespace != "" {
		result.Internal = &matcher.InternalPeer{
			PodLabels:       peer.PodLabels,
			NamespaceLabels: peer.NamespaceLabels,
			Namespace:       peer.Namespace,
		}
	}
	return result
}

func main() {
	var question struct {
		Policies    []*networkingv1.NetworkPolicy `json:"policies"`
		Connections []Connection                  `json:"connections"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&question); err != nil {
		panic(err)
	}
	policy := matcher.BuildNetworkPolicies(false, question.Policies)
	answers := make([]bool, 0, len(question.Connections))
	for _, each := range question.Connections {
		answers = append(answers, policy.IsTrafficAllowed(&matcher.Traffic{
			Source:       each.From.traffic(),
			Destination:  each.To.traffic(),
			ResolvedPort: each.Port,
			Protocol:     v1.Protocol(each.Protocol),
		}).IsAllowed())
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
